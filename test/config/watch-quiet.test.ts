import { EventEmitter } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, expect, it, vi } from "vitest";
import { watchConfig } from "../../src/config/watch.js";

/** What chokidar would tell of, by hand: how many events a save is depends on the machine. */
const files = Object.assign(new EventEmitter(), { close: async () => void files.removeAllListeners() });
vi.mock("chokidar", () => ({
  watch: () => {
    queueMicrotask(() => files.emit("ready"));
    return files;
  },
}));

afterEach(() => {
  vi.useRealTimers();
});

it("a watched configuration tells a change once, when nothing has happened for 150 ms", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  let told = 0;
  const watch = await watchConfig([], () => told++);
  for (let event = 0; event < 3; event++) {
    files.emit("all");
    vi.advanceTimersByTime(149);
    await nextTurn();
  }
  expect(told).toBe(0);
  vi.advanceTimersByTime(1);
  await nextTurn();
  expect(told).toBe(1);
  files.emit("all");
  await watch.close();
  vi.advanceTimersByTime(1000);
  await nextTurn();
  expect(told).toBe(1);
});
