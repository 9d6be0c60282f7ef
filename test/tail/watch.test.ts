import { EventEmitter } from "node:events";
import fs from "node:fs";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Look, Watch } from "../../src/tail/watch.js";

const POLL = 250;
/** What the kernel tells: one for each time that it was asked to watch. */
let watchers: FSWatcher[];
/** What the looks show, in order; then nothing. */
let shown: Look[];
/** When it was looked, in milliseconds since the test began. */
let looks: number[];

class FSWatcher extends EventEmitter {
  closed = false;
  close() {
    this.closed = true;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  const began = performance.now();
  [watchers, shown, looks] = [[], [], []];
  vi.spyOn(fs, "watch").mockImplementation(((_path: string, changed: () => void) => {
    const watcher = new FSWatcher().on("change", changed);
    watchers.push(watcher);
    return watcher;
  }) as unknown as typeof fs.watch);
  look.mockImplementation(() => {
    looks.push(performance.now() - began);
    return shown.shift() ?? "same";
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const look = vi.fn<() => Look>();
const open = () => new Watch({ target: () => "audit.log", look, poll: POLL });

/** The writer writes; `seen` is what the looks from now on show. */
function write(...seen: Look[]): void {
  shown = seen;
  watchers.at(-1)!.emit("change");
}

it("looks at once when the kernel reports a change, then rests, and arms the watch again when nothing more has come", () => {
  const watch = open();
  looks.length = 0;
  write("grown");
  expect(looks).toEqual([0]);
  expect(watchers.map(({ closed }) => closed)).toEqual([true]);
  vi.advanceTimersByTime(100);
  // The last one is for what came before the kernel was asked.
  expect(looks).toEqual([0, 25, 25]);
  expect(watchers.map(({ closed }) => closed)).toEqual([true, false]);
  watch.close();
});

it("rests four times as long while the file surges", () => {
  const watch = open();
  looks.length = 0;
  write("grown", "surging", "surging", "grown", "grown");
  vi.advanceTimersByTime(280);
  expect(looks).toEqual([0, 25, 125, 225, 250, 275, 275]);
  watch.close();
});

it("does not look between two looks of a busy file because a poll is due", () => {
  const watch = open();
  looks.length = 0;
  vi.advanceTimersByTime(POLL - 10);
  write("grown", "grown", "grown");
  vi.advanceTimersByTime(60);
  expect(looks).toEqual([240, 265, 290]);
  watch.close();
});

it("polls if the kernel reports nothing, less often while the file surges", () => {
  vi.mocked(fs.watch).mockImplementation(() => {
    throw new Error("refused");
  });
  const watch = open();
  shown = ["same", "surging", "surging", "grown"];
  vi.advanceTimersByTime(270);
  expect(looks).toEqual([16, 32, 132, 232, 248, 264]);
  watch.close();
});
