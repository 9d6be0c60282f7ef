import fs from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it, vi } from "vitest";
import { LogName } from "../../src/tail/name.js";
import { line, lines, openSource, readAll, readOnce, tempDirectory, textOf } from "./harness.js";

const name = new LogName("audit.log");
/** Time of the event on `line(0)`. */
const FIRST = 1_800_000_000_000;

/** Events 0–9 (compressed), 10–19 and 20–29 in the active file; rotated 5 ms after the last event. */
function threeFiles(): string {
  const directory = join(tempDirectory(), "audit");
  fs.mkdirSync(directory);
  fs.writeFileSync(join(directory, `${name.format(FIRST + 14)}.gz`), gzipSync(lines(0, 10)));
  fs.writeFileSync(join(directory, name.format(FIRST + 24)), lines(10, 20));
  fs.writeFileSync(join(directory, "audit.log"), lines(20, 30));
  return join(directory, "audit.log");
}

describe("a start by time", () => {
  it.each([
    [-1000, 0],
    [0, 0],
    [5, 5],
    [9, 9],
    [10, 10],
    [12, 12],
    [24, 24],
    [29, 29],
    [30, 30],
    [9999, 30],
  ])("of event 0 plus %i ms begins with event %i", async (after, first) => {
    const { text, reader } = await readOnce(threeFiles(), { at: "time", time: FIRST + after });
    expect(text).toBe(lines(first, 30));
    expect(reader.position()?.offset).toBe(lines(20, 30).length);
  });

  it("opens backups that were rotated before it only for their first line", async () => {
    const path = threeFiles();
    const { source } = await openSource(path, { once: true });
    const opened = vi.spyOn(fs, "openSync");
    try {
      const reader = await source.reader({ at: "time", time: FIRST + 22 });
      expect(reader.position()).toMatchObject({ offset: lines(20, 22).length });
      expect(opened.mock.calls.map(([file]) => file)).not.toContain(join(path, `../${name.format(FIRST + 14)}.gz`));
    } finally {
      opened.mockRestore();
    }
  });

  it("begins at a line without a time, and looks no further", async () => {
    const path = join(tempDirectory(), "audit.log");
    fs.writeFileSync(path, `${lines(0, 3)}no event\n${lines(3, 5)}`);
    expect((await readOnce(path, { at: "time", time: FIRST + 100 })).text).toBe(`no event\n${lines(3, 5)}`);
  });

  it("skips blank lines", async () => {
    const path = join(tempDirectory(), "audit.log");
    fs.writeFileSync(path, ` \t\n${lines(0, 3)}\r\n${lines(3, 5)}`);
    expect((await readOnce(path, { at: "time", time: FIRST + 4 })).text).toBe(line(4));
  });

  it("uses the last time on a line, because the bodies before it come from the client", async () => {
    const path = join(tempDirectory(), "audit.log");
    const spoofed = line(1).replace('"pad":""', '"requestObject":{"stageTimestamp":"2200-01-01T00:00:00.000000Z"}');
    fs.writeFileSync(path, spoofed + line(5));
    expect((await readOnce(path, { at: "time", time: FIRST + 3 })).text).toBe(line(5));
  });

  it("in the future skips what is written until then", async () => {
    const path = join(tempDirectory(), "audit.log");
    fs.writeFileSync(path, lines(0, 3));
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "time", time: FIRST + 6 });
    const waiting = reader.next(Buffer.alloc(10_000));
    fs.appendFileSync(path, lines(3, 6));
    fs.appendFileSync(path, lines(6, 8));
    expect(textOf(await waiting)?.startsWith(line(6))).toBe(true);
  });
});

describe("a start at the end", () => {
  it("begins behind the last complete line of the active file", async () => {
    const path = threeFiles();
    fs.appendFileSync(path, line(30).slice(0, 10));
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "end" });
    expect(reader.position()?.offset).toBe(lines(20, 30).length);
    expect(reader.atEnd()).toBe(false);
    const waiting = reader.next(Buffer.alloc(1000));
    fs.appendFileSync(path, line(30).slice(10));
    expect(textOf(await waiting)).toBe(line(30));
  });

  it("begins with the first line of a log that has none yet", async () => {
    const path = join(tempDirectory(), "audit.log");
    fs.writeFileSync(path, "");
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "end" });
    const waiting = reader.next(Buffer.alloc(1000));
    fs.writeFileSync(path, line(1));
    expect(textOf(await waiting)).toBe(line(1));
  });

  it("of a log that does not exist begins with events from that moment on", async () => {
    const path = threeFiles();
    fs.renameSync(join(path, ".."), join(path, "../../elsewhere"));
    const { source } = await openSource(path, { now: () => FIRST + 22 });
    const reader = await source.reader({ at: "end" });
    const waiting = reader.next(Buffer.alloc(10_000));
    fs.renameSync(join(path, "../../elsewhere"), join(path, ".."));
    expect(textOf(await waiting)).toBe(lines(22, 30));
  });

  it("begins behind all backups when there is no active file", async () => {
    const path = threeFiles();
    fs.rmSync(path);
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "end" });
    expect(reader.position()?.offset).toBe(lines(10, 20).length);
    const waiting = reader.next(Buffer.alloc(1000));
    fs.writeFileSync(path, line(40));
    expect(textOf(await waiting)).toBe(line(40));
  });
});

describe("a first start on many backups", () => {
  it("lists the directory a few times, holds few files open and reads oldest first", async () => {
    const directory = tempDirectory();
    const count = 1000;
    for (let i = 0; i < count; i++) {
      const path = join(directory, name.format(FIRST + i * 1000));
      if (i % 10 === 0) fs.writeFileSync(`${path}.gz`, gzipSync(line(i)));
      else fs.writeFileSync(path, line(i));
    }
    fs.writeFileSync(join(directory, "audit.log"), line(count));
    const [listed, looked] = [vi.spyOn(fs, "readdirSync"), vi.spyOn(fs, "openSync")];
    try {
      const { source, recorded } = await openSource(join(directory, "audit.log"), { once: true });
      let most = 0;
      const set = recorded.metrics.set.bind(recorded.metrics);
      recorded.metrics.set = (key, value) => {
        if (key.startsWith("auditship_files_open")) most = Math.max(most, value);
        return set(key, value);
      };
      const reader = await source.reader({ at: "beginning" });
      expect(await readAll(reader)).toBe(lines(0, count + 1));
      expect(most).toBeLessThanOrEqual(3);
      expect(listed.mock.calls.length).toBeLessThan(10);
      expect(looked.mock.calls.length).toBeLessThan(3 * count);
    } finally {
      listed.mockRestore();
      looked.mockRestore();
    }
  });
});

describe("the end of a log", () => {
  it("is the end of its active file as it is now, behind every event in it", async () => {
    const path = threeFiles();
    const { source } = await openSource(path);
    expect(source.end()?.offset).toBe(lines(20, 30).length);
    fs.appendFileSync(path, lines(30, 31));
    expect(source.end()?.offset).toBe(lines(20, 31).length);
  });

  it("is after everything in a log that has only backups, and undefined in an empty one", async () => {
    const path = threeFiles();
    fs.rmSync(path);
    const { source } = await openSource(path);
    expect(source.end()?.offset).toBeGreaterThanOrEqual(lines(10, 20).length);
    expect((await openSource(join(tempDirectory(), "audit.log"))).source.end()).toBeUndefined();
  });
});
