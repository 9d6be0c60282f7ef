import fs from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { Lumberjack } from "../support/lumberjack.js";
import { line, lines, openSource, readAll, readOnce, stored, tempDirectory, textOf } from "./harness.js";

function clock(start = Date.UTC(2026, 10, 20, 9, 38, 24)): () => number {
  let now = start;
  return () => now++;
}

describe("one stream out of a log's files", () => {
  it("reads plain and compressed backups and the active file, oldest first", async () => {
    const path = join(tempDirectory(), "audit.log");
    const writer = new Lumberjack(path, { now: clock(), compress: true });
    writer.write(lines(0, 10));
    writer.rotate();
    writer.write(lines(10, 20));
    writer.rotate();
    writer.mill();
    writer.write(lines(20, 30));
    writer.rotate();
    writer.write(lines(30, 40));
    const { text } = await readOnce(path);
    expect(text).toBe(lines(0, 40));
  });

  it.each([65_536, 3 << 20])(
    "tells files apart whose first lines differ in nothing but their times, behind %i bytes that a client repeats",
    async (size) => {
      const path = join(tempDirectory(), "audit.log");
      const writer = new Lumberjack(path, { now: clock(), compress: true });
      const text = [1, 2, 3].map((n) => line(0, 1_800_000_000_000 + n, "x".repeat(size)) + line(n));
      const { source } = await openSource(path, { maxLine: 8 << 20 });
      const reader = await source.reader({ at: "beginning" });
      for (const part of text) {
        if (writer.size > 0) writer.rotate();
        writer.write(part);
        expect(await readAll(reader, part.length)).toBe(part);
      }
      writer.mill();
      expect((await readOnce(path, undefined, { maxLine: 8 << 20 })).text).toBe(text.join(""));
    },
  );

  it("continues at a stored position, whatever became of the file's name", async () => {
    const path = join(tempDirectory(), "audit.log");
    const writer = new Lumberjack(path, { now: clock(), compress: true });
    writer.write(lines(0, 10));
    const first = await openSource(path);
    const reader = await first.source.reader({ at: "beginning" });
    const half = Buffer.byteLength(lines(0, 5));
    const chunk = await reader.next(Buffer.alloc(half + 3));
    expect(textOf(chunk)).toBe(lines(0, 5));
    const at = stored(reader.position());
    const restored = first.source.state(reader.position());
    await first.source.close();
    for (const change of [
      () => {},
      () => {
        writer.rotate();
        writer.write(lines(10, 20));
      },
      () => writer.mill(),
    ]) {
      change();
      const { text, recorded } = await readOnce(path, at, { restored });
      const written = lines(5, change.toString() === "() => {}" ? 10 : 20);
      expect(text).toBe(written);
      expect(recorded.losses).toEqual([]);
    }
  });

  it("knows after a restart what was read and what is new, even if the clock went back and names are out of order", async () => {
    const path = join(tempDirectory(), "audit.log");
    let now = Date.UTC(2026, 10, 20, 10);
    const writer = new Lumberjack(path, { now: () => now });
    const hour = 3_600_000;
    const rotateAt = (time: number) => {
      now = time;
      writer.rotate();
    };
    const start = now;
    const write = (from: number) => {
      for (let n = from; n < from + 5; n++) writer.write(line(n, now + n));
    };
    write(0);
    rotateAt(start + hour);
    now = start;
    write(5);
    rotateAt(start + 100);
    write(10);
    const first = await openSource(path);
    const reader = await first.source.reader({ at: "beginning" });
    expect((await readAll(reader, Buffer.byteLength(lines(0, 15)))).match(/(?<="auditID":")\d+/g)).toHaveLength(15);
    const restored = first.source.state(reader.position());
    const at = stored(reader.position());
    await first.source.close();
    // While nobody looks: a rotation an hour ahead, one at the time before it, and a new file.
    rotateAt(start + 2 * hour);
    now = start + 200;
    write(15);
    rotateAt(start + 300);
    write(20);
    const { text } = await readOnce(path, at, { restored });
    expect(text.match(/(?<="auditID":")\d+/g)).toEqual(Array.from({ length: 10 }, (_, i) => `${15 + i}`));
  });

  it("collects what is written while it rests: at the end it reads on when a look has found more", async () => {
    const path = join(tempDirectory(), "audit.log");
    fs.writeFileSync(path, line(0));
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(textOf(await reader.next(Buffer.alloc(4096)))).toBe(line(0));
    fs.appendFileSync(path, line(1));
    const next = reader.next(Buffer.alloc(4096));
    // It could read this line now, before anything else happens: reads are answered at once.
    for (let turn = 0; turn < 100; turn++) await undefined;
    fs.appendFileSync(path, line(2));
    expect(textOf(await next)).toBe(lines(1, 3));
  });

  it("is read on even if a request for the state has seen the new bytes first", async () => {
    const path = join(tempDirectory(), "audit.log");
    fs.writeFileSync(path, line(0));
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(textOf(await reader.next(Buffer.alloc(4096)))).toBe(line(0));
    const next = reader.next(Buffer.alloc(4096));
    fs.appendFileSync(path, line(1));
    const size = Buffer.byteLength(line(0) + line(1));
    expect(source.state(undefined)).toMatchObject({ files: [{ size }] });
    expect(textOf(await next)).toBe(line(1));
  });

  it("follows rotation at high speed with nothing lost and nothing twice", async () => {
    const path = join(tempDirectory(), "audit.log");
    const writer = new Lumberjack(path, { now: clock(), maxSize: 2000 });
    writer.write(line(0));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    const total = 5000;
    let next = 1;
    const write = () => {
      for (let i = 0; i < 25 && next < total; i++) writer.write(line(next++));
      if (next < total) setImmediate(write);
    };
    write();
    const text = await readAll(reader, Buffer.byteLength(lines(0, total)));
    expect(text).toBe(lines(0, total));
    expect(recorded.losses).toEqual([]);
    expect(recorded.metrics.get("auditship_rotations_total{apiserver}")).toBe(writer.backups().length);
  });

  it.each([1, 2, 5])("keeps order when %i rotations come between listing and opening", async (rotations) => {
    const path = join(tempDirectory(), "audit.log");
    const writer = new Lumberjack(path, { now: clock() });
    writer.write(line(0));
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(textOf(await reader.next(Buffer.alloc(10_000)))).toBe(line(0));
    let next = 1;
    const writeAndRotate = () => {
      writer.rotate();
      writer.write(line(next++));
    };
    const real = fs.openSync;
    const spy = vi.spyOn(fs, "openSync").mockImplementation((file, ...rest) => {
      // Whoever opens the active file to read it, opens a later one than was there when it listed the backups.
      if (file === path && rest[0] === (fs.constants.O_RDONLY | fs.constants.O_NONBLOCK) && next < 20)
        for (let i = 0; i < rotations; i++) writeAndRotate();
      return real(file, ...rest);
    });
    onTestFinished(() => spy.mockRestore());
    writeAndRotate();
    const text = await readAll(reader, lines(1, 20).length);
    expect(text.slice(0, lines(1, 20).length)).toBe(lines(1, 20));
  });

  it("waits for lines at the live edge and wakes on a write", async () => {
    const path = join(tempDirectory(), "audit.log");
    fs.writeFileSync(path, "");
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(reader.position()).toBeUndefined();
    const waiting = reader.next(Buffer.alloc(1024));
    fs.appendFileSync(path, line(1));
    expect(textOf(await waiting)).toBe(line(1));
    const again = reader.next(Buffer.alloc(1024));
    fs.appendFileSync(path, line(2).slice(0, 20));
    fs.appendFileSync(path, line(2).slice(20));
    expect(textOf(await again)).toBe(line(2));
    expect(reader.atEnd()).toBe(true);
  });
});
