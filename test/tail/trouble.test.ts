import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Reader } from "../../src/plugin/index.js";
import { Lumberjack } from "../support/lumberjack.js";
import { patience } from "../support/patience.js";
import { line, lines, openSource, type Recorded, readAll, readOnce, stored, tempDirectory, textOf } from "./harness.js";

const size = (from: number, to: number) => lines(from, to).length;

function setUp() {
  const path = join(tempDirectory(), "audit", "audit.log");
  let now = Date.UTC(2026, 10, 20);
  const writer = new Lumberjack(path, { now: () => now++ });
  return { path, writer };
}

/** Lets a call of `node:fs` fail as long as `failing` says so. */
function failWith(
  method: "openSync" | "readSync" | "readdirSync" | "watch",
  code: string,
  failing: () => boolean,
): void {
  const real = fs[method] as (...args: unknown[]) => unknown;
  const spy = vi.spyOn(fs, method as "openSync").mockImplementation(((...args: unknown[]) => {
    if (failing()) throw Object.assign(new Error(`${code}: injected`), { code });
    return real(...args);
  }) as never);
  onTestFinished(() => spy.mockRestore());
}

/** Every descriptor that is open of a file by now ends with ESTALE until it is closed. */
function makeStale(path: string): void {
  const { ino } = fs.statSync(path);
  const isOpen = (fd: number) => {
    try {
      return fs.fstatSync(fd).ino === ino;
    } catch {
      return false;
    }
  };
  const stale = new Set(fs.readdirSync("/proc/self/fd").map(Number).filter(isOpen));
  for (const method of ["readSync", "fstatSync", "closeSync"] as const) {
    const real = fs[method] as (fd: number, ...args: unknown[]) => unknown;
    const spy = vi.spyOn(fs, method).mockImplementation(((fd: number, ...args: unknown[]) => {
      if (method === "closeSync") stale.delete(fd);
      else if (stale.has(fd)) throw Object.assign(new Error("ESTALE: injected"), { code: "ESTALE" });
      return real(fd, ...args);
    }) as never);
    onTestFinished(() => spy.mockRestore());
  }
}

function errors(recorded: Recorded, kind: string): number {
  return recorded.metrics.get(`auditship_source_errors_total{apiserver,${kind}}`) ?? 0;
}

const said = (recorded: Recorded, kind: string) =>
  recorded.log.filter((entry) => entry.kind === kind).map(({ level }) => level);

async function next(reader: Reader): Promise<string | undefined> {
  return textOf(await reader.next(Buffer.alloc(100_000)));
}

describe("a log that is missing", () => {
  it("is waited for, with one warning", async () => {
    const { path, writer } = setUp();
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    const waiting = next(reader);
    await vi.waitUntil(() => errors(recorded, "missing") >= 3, patience);
    writer.write(lines(0, 3));
    expect(await waiting).toBe(lines(0, 3));
    expect(said(recorded, "missing")).toEqual(["warn", "info"]);
  });

  it("ends a run that reads only what is there", async () => {
    const { path } = setUp();
    await expect(openSource(path, { once: true })).rejects.toMatchObject({
      code: "AUDITSHIP_SOURCE_READ",
      message: expect.stringContaining(path),
    });
  });

  it("for a moment between rename and create is found again", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await next(reader)).toBe(lines(0, 3));
    const waiting = next(reader);
    const steps = writer.rotation();
    steps.next();
    steps.next();
    await vi.waitUntil(
      () => (source.state(undefined) as { files: { base?: string }[] }).files[0].base !== undefined,
      patience,
    );
    steps.next();
    writer.write(lines(3, 5));
    expect(await waiting).toBe(lines(3, 5));
    expect(recorded.losses).toEqual([]);
  });

  it("because the directory was deleted and made again is found again", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await next(reader)).toBe(lines(0, 3));
    const waiting = next(reader);
    fs.rmSync(dirname(path), { recursive: true });
    await vi.waitUntil(() => errors(recorded, "missing") > 0, patience);
    writer.close();
    writer.write(lines(3, 5));
    expect(await waiting).toBe(lines(3, 5));
    expect(recorded.losses).toEqual([]);
  });

  it("under its name, and written to before anybody looked, is read on", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await next(reader)).toBe(lines(0, 3));
    const waiting = next(reader);
    fs.unlinkSync(path);
    writer.write(lines(3, 5));
    expect(await waiting).toBe(lines(3, 5));
  });

  it("under its name, but still written to, is read on", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await next(reader)).toBe(lines(0, 3));
    fs.unlinkSync(path);
    const waiting = next(reader);
    writer.write(lines(3, 5));
    expect(await waiting).toBe(lines(3, 5));
    const again = next(reader);
    await vi.waitUntil(() => source.lag(undefined).bytes === size(0, 5), patience);
    writer.write(line(5));
    expect(await again).toBe(line(5));
    expect(errors(recorded, "unlinked")).toBeGreaterThan(0);
  });
});

describe("a file that cannot be read", () => {
  it("is tried again until permission is given, with one warning", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    let forbidden = true;
    failWith("openSync", "EACCES", () => forbidden);
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    const waiting = next(reader);
    await vi.waitUntil(() => errors(recorded, "list") >= 3, patience);
    forbidden = false;
    expect(await waiting).toBe(lines(0, 3));
    expect(said(recorded, "list")).toEqual(["warn", "info"]);
  });

  it("holds up the files after it, so that order is kept and nothing is left out", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const backup = writer.rotate();
    writer.write(lines(3, 5));
    let forbidden = true;
    const real = fs.openSync;
    const spy = vi.spyOn(fs, "openSync").mockImplementation((file, ...rest) => {
      if (forbidden && String(file).endsWith(backup)) throw Object.assign(new Error("EACCES"), { code: "EACCES" });
      return real(file, ...rest);
    });
    onTestFinished(() => spy.mockRestore());
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    const waiting = readAll(reader, size(0, 5));
    await vi.waitUntil(() => errors(recorded, "open") >= 3, patience);
    forbidden = false;
    expect(await waiting).toBe(lines(0, 5));
    expect(said(recorded, "open")).toEqual(["warn", "info"]);
  });

  it("for a while gives every byte afterwards", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    let broken = true;
    failWith("readSync", "EIO", () => broken);
    const waiting = next(reader);
    await vi.waitUntil(() => errors(recorded, "read") >= 3, patience);
    broken = false;
    expect(await waiting).toBe(lines(0, 3));
    expect(said(recorded, "read")).toEqual(["warn", "info"]);
  });

  it("because its handle is stale is opened again by its name, and every byte is read once", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await next(reader)).toBe(lines(0, 3));
    makeStale(path);
    writer.write(lines(3, 6));
    expect(await next(reader)).toBe(lines(3, 6));
    writer.rotate();
    writer.write(lines(6, 9));
    expect(await next(reader)).toBe(lines(6, 9));
    expect(recorded.losses).toEqual([]);
  });

  it("because its handle is stale while nobody reads is found again", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const { source, recorded } = await openSource(path);
    makeStale(path);
    writer.write(lines(3, 6));
    await vi.waitUntil(() => source.lag(undefined).bytes === size(0, 6), patience);
    expect(errors(recorded, "read")).toBeGreaterThan(0);
    expect(await next(await source.reader({ at: "beginning" }))).toBe(lines(0, 6));
  });

  it("fails a run that reads only what is there", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    failWith("openSync", "EACCES", () => true);
    const { source } = await openSource(path, { once: true });
    const reader = await source.reader({ at: "beginning" });
    await expect(reader.next(Buffer.alloc(1000))).rejects.toMatchObject({ code: "AUDITSHIP_SOURCE_READ" });
  });
});

describe("a file that is no longer the same", () => {
  it("after copytruncate is a new file; what was not read of the old one is counted", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await readAll(reader, 1, 200)).toBe(line(0));
    const before = reader.position()!;
    fs.truncateSync(path);
    fs.appendFileSync(path, lines(20, 23));
    expect(await next(reader)).toBe(lines(20, 23));
    const after = reader.position()!;
    expect(after.file.fingerprint).not.toBe(before.file.fingerprint);
    expect(after.file.ordinal).toBe(before.file.ordinal + 1);
    expect(recorded.losses).toEqual([{ reason: "overwritten", bytes: size(1, 10), file: before.file.id }]);
    expect(recorded.metrics.get("auditship_source_errors_total{apiserver,replaced}")).toBe(1);
  });

  it("is noticed even if it grew beyond the old position at once", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await next(reader)).toBe(lines(0, 3));
    fs.truncateSync(path);
    fs.appendFileSync(path, lines(20, 40));
    expect(await next(reader)).toBe(lines(20, 40));
    expect(recorded.losses).toEqual([]);
  });

  it("is noticed even if nobody reads", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const { source } = await openSource(path);
    fs.truncateSync(path);
    fs.appendFileSync(path, lines(20, 40));
    const files = () => (source.state(undefined) as { files: { size: number; gone?: string }[] }).files;
    await vi.waitUntil(() => files().length === 2, patience);
    expect(files()).toMatchObject([{ size: size(0, 3), gone: "overwritten" }, { size: size(20, 40) }]);
  });

  it("after copytruncate under a writer without O_APPEND begins behind the hole", async () => {
    const { path, writer } = setUp();
    writer.write(line(0));
    writer.rotate();
    writer.write(lines(1, 3));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await readAll(reader, size(0, 3))).toBe(lines(0, 3));
    // As if the writer stood at 100 MB.
    fs.truncateSync(path);
    fs.truncateSync(path, 100_000_000);
    fs.appendFileSync(path, lines(3, 6));
    expect(await next(reader)).toBe(lines(3, 6));
    expect(reader.position()?.offset).toBe(100_000_000 + size(3, 6));
    expect(recorded.losses).toEqual([]);
    expect((await readOnce(path)).text).toBe(line(0) + lines(3, 6));
  });

  it("with NULs at its end is waited for, because they may still be filled", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    fs.truncateSync(path, size(0, 3) + 1000);
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await next(reader)).toBe(lines(0, 3));
    const waiting = next(reader);
    const fd = fs.openSync(path, "r+");
    fs.writeSync(fd, lines(3, 4), size(0, 3));
    fs.closeSync(fd);
    fs.appendFileSync(path, "\n");
    expect((await waiting)?.startsWith(line(3))).toBe(true);
  });

  it("after it was cut, but not to nothing, is read on, and what nobody had read is counted", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await readAll(reader, size(0, 6), size(0, 6))).toBe(lines(0, 6));
    fs.truncateSync(path, size(0, 4));
    fs.appendFileSync(path, lines(20, 21));
    await vi.waitUntil(() => errors(recorded, "replaced") > 0, patience);
    fs.appendFileSync(path, lines(21, 30));
    expect(await next(reader)).toContain(lines(21, 30).slice(size(0, 1)));
    expect(recorded.losses).toMatchObject([{ reason: "overwritten", bytes: size(6, 10) }]);
  });

  it.each([
    ["who reads", true],
    ["a look", false],
  ])("after it was cut, not to nothing, loses nothing that was read, whether %s finds out", async (_who, readFirst) => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await readAll(reader, size(0, 10))).toBe(lines(0, 10));
    fs.truncateSync(path, size(0, 4));
    fs.appendFileSync(path, lines(20, 21));
    if (!readFirst) await vi.waitUntil(() => errors(recorded, "replaced") > 0, patience);
    expect(await readAll(reader, size(20, 21))).toContain(lines(20, 21));
    await vi.waitUntil(() => source.lag(reader.position()).bytes === 0, patience);
    expect(recorded.losses).toEqual([]);
  });

  it("after it was cut, not to nothing, and grown past its old end between two looks, is read again from where it is the same", async () => {
    const { path, writer } = setUp();
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    // Read in pieces; what was read is known again every 64 KiB.
    for (const from of [0, 500, 1000]) {
      writer.write(lines(from, from + 500));
      expect(await readAll(reader, size(from, from + 500))).toBe(lines(from, from + 500));
    }
    fs.truncateSync(path, size(0, 1200));
    fs.appendFileSync(path, lines(5000, 6000));
    const again = await readAll(reader, size(1000, 1200) + size(5000, 6000));
    expect(again).toBe(lines(1000, 1200) + lines(5000, 6000));
    expect(errors(recorded, "replaced")).toBe(1);
    expect(recorded.losses).toEqual([]);
  });

  it.each([
    ["past its old end", 6000],
    ["not past its old end", 5100],
  ])("after it was cut and written on while nobody looked, %s, is read again from there", async (_how, to) => {
    const { path, writer } = setUp();
    writer.write(lines(0, 1000));
    const first = await openSource(path);
    const reader = await first.source.reader({ at: "beginning" });
    await readAll(reader, size(0, 1000), size(0, 500));
    const position = reader.position()!;
    const restored = first.source.state(position);
    await first.source.close();
    fs.truncateSync(path, size(0, 700));
    fs.appendFileSync(path, lines(5000, to));
    const { text } = await readOnce(path, stored(position), { restored });
    expect(text.endsWith(lines(5000, to))).toBe(true);
    expect(lines(0, 700).endsWith(text.slice(0, -size(5000, to)))).toBe(true);
  });

  it("after it was truncated and rotated between two looks does not stop reading; what was not read is counted", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await readAll(reader, size(0, 6), size(0, 6))).toBe(lines(0, 6));
    fs.truncateSync(path);
    fs.appendFileSync(path, lines(20, 22));
    writer.rotate();
    writer.write(lines(30, 33));
    expect(await readAll(reader, size(20, 22) + size(30, 33))).toBe(lines(20, 22) + lines(30, 33));
    expect(recorded.losses).toMatchObject([{ reason: "overwritten", bytes: size(6, 10) }]);
  });

  it("but has the same inode is recognised by its first line", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    await readAll(reader, size(0, 2), size(0, 2));
    const position = reader.position()!;
    const restored = source.state(position);
    await source.close();
    writer.close();
    // The file system gives the number out again sooner or later, ext4 at once.
    const { ino } = fs.statSync(path);
    for (let i = 0; i < 50; i++) {
      fs.rmSync(path);
      fs.writeFileSync(path, lines(20, 40));
      if (fs.statSync(path).ino === ino) break;
    }
    const { text, recorded } = await readOnce(path, stored(position), { restored });
    expect(text).toBe(lines(20, 40));
    expect(recorded.losses).toMatchObject([{ reason: "unseen" }, { reason: "deleted", bytes: size(2, 10) }]);
  });

  it("but is a copy of another one is read once", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const backup = writer.rotate();
    writer.write(lines(3, 5));
    fs.copyFileSync(join(dirname(path), backup), join(dirname(path), writer.name.format(Date.UTC(2026, 11, 1))));
    const { text, recorded } = await readOnce(path);
    expect(text).toBe(lines(0, 5));
    expect(errors(recorded, "duplicate")).toBe(1);
  });

  it("is told from others that begin with an empty line, too", async () => {
    const { path, writer } = setUp();
    writer.write(`\n${lines(0, 3)}`);
    writer.rotate();
    writer.write(`\n${lines(3, 5)}`);
    expect((await readOnce(path)).text).toBe(`\n${lines(0, 3)}\n${lines(3, 5)}`);
  });
});

describe("a compressed backup", () => {
  it("is not looked at before its plain file is gone", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const backup = writer.rotate();
    writer.write(lines(10, 12));
    const compression = writer.compression(backup);
    for (const step of ["begun", "written", undefined]) {
      expect(compression.next().value).toBe(step);
      const { text, recorded } = await readOnce(path);
      expect(text).toBe(lines(0, 12));
      expect(recorded.losses).toEqual([]);
    }
  });

  it("made while its plain file is being read changes nothing", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const backup = writer.rotate();
    writer.write(lines(10, 20));
    const { source } = await openSource(path, { once: true });
    const [held, later] = [await source.reader({ at: "beginning" }), await source.reader({ at: "beginning" })];
    await held.next(Buffer.alloc(size(0, 3)));
    const from = held.position()!;
    await later.close();
    for (const _ of writer.compression(backup));
    expect(await readAll(held)).toBe(lines(3, 20));
    expect(await readAll(await source.reader(stored(from)))).toBe(lines(3, 20));
  });

  it("that is cut off gives what is in it; the rest is counted to the byte where the size was seen", async () => {
    const { path, writer } = setUp();
    const pad = () => Math.random().toString(36).repeat(3);
    const content = Array.from({ length: 3000 }, (_, i) => line(i, undefined, pad())).join("");
    writer.write(content);
    const backup = writer.rotate();
    writer.write(line(9999));
    const before = await openSource(path);
    const restored = before.source.state(undefined);
    await before.source.close();
    const plain = join(dirname(path), backup);
    const compressed = gzipSync(fs.readFileSync(plain));
    fs.writeFileSync(`${plain}.gz`, compressed.subarray(0, compressed.length >> 1));
    fs.rmSync(plain);

    const { text, recorded } = await readOnce(path, { at: "beginning" }, { restored });
    const read = text.slice(0, -line(9999).length);
    expect(read.length).toBeGreaterThan(content.length / 3);
    expect(content.startsWith(read)).toBe(true);
    expect(text.endsWith(line(9999))).toBe(true);
    expect(recorded.losses).toMatchObject([{ reason: "unreadable", bytes: content.length - read.length }]);
    expect(errors(recorded, "damaged")).toBe(1);
  });

  it.each([
    ["less than was read", 1],
    ["far more", 500],
  ])(
    "that is cut off and was never seen before has a rest without an upper bound, where its end claims %s",
    async (_claim, factor) => {
      const { path, writer } = setUp();
      writer.write(lines(0, 3000));
      const backup = writer.rotate();
      writer.write(line(9999));
      const plain = join(dirname(path), backup);
      const compressed = gzipSync(fs.readFileSync(plain));
      const cut = compressed.subarray(0, compressed.length >> 1);
      // What happens to stand where a whole file has its size.
      cut.writeUInt32LE(cut.length * factor, cut.length - 4);
      fs.writeFileSync(`${plain}.gz`, cut);
      fs.rmSync(plain);
      const { text, recorded } = await readOnce(path);
      expect(text.length).toBeGreaterThan(size(0, 1000));
      expect(recorded.losses).toEqual([{ reason: "unseen", bytes: 0, file: expect.any(String) }]);
      expect(errors(recorded, "damaged")).toBe(1);
    },
  );

  it("that is cut off and had grown since its size was seen has no upper bound either", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    await readAll(reader, size(0, 10));
    const at = stored(reader.position());
    const restored = source.state(reader.position());
    await source.close();
    writer.write(lines(10, 3000));
    const plain = join(dirname(path), writer.rotate());
    const compressed = gzipSync(fs.readFileSync(plain));
    fs.writeFileSync(`${plain}.gz`, compressed.subarray(0, compressed.length >> 1));
    fs.rmSync(plain);
    writer.write(line(9999));
    const { text, recorded } = await readOnce(path, at, { restored });
    expect(text.startsWith(lines(10, 1000))).toBe(true);
    expect(recorded.losses).toEqual([{ reason: "unseen", bytes: 0, file: expect.any(String) }]);
  });

  it("from which nothing can be read is left out, with a warning", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const backup = writer.rotate();
    fs.renameSync(join(dirname(path), backup), join(dirname(path), `${backup}.gz`));
    writer.write(lines(3, 5));
    const { text, recorded } = await readOnce(path);
    expect(text).toBe(lines(3, 5));
    expect(recorded.log).toMatchObject([{ level: "warn", kind: "damaged" }]);
  });
});

describe("where the kernel reports no changes", () => {
  it("lines are found by looking", async () => {
    failWith("watch", "ENOSPC", () => true);
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await next(reader)).toBe(lines(0, 3));
    const waiting = readAll(reader, size(3, 9));
    writer.write(lines(3, 6));
    writer.rotate();
    writer.write(lines(6, 9));
    expect(await waiting).toBe(lines(3, 9));
  });
});

describe("several readers", () => {
  it("share one watch", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const watch = vi.spyOn(fs, "watch");
    onTestFinished(() => watch.mockRestore());
    const { source } = await openSource(path);
    const readers = await Promise.all(Array.from({ length: 10 }, () => source.reader({ at: "end" })));
    const waiting = readers.map(next);
    expect(watch).toHaveBeenCalledTimes(1);
    writer.write(line(3));
    expect(await Promise.all(waiting)).toEqual(readers.map(() => line(3)));
  });
});

describe("something that is not a file", () => {
  it.each(["a directory", "a pipe"])("but has the name of a backup holds up nothing: %s", async (what) => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    const name = join(dirname(path), "audit-2026-11-19T00-00-00.000.log");
    if (what === "a pipe") execFileSync("mkfifo", [name]);
    else fs.mkdirSync(name);
    expect((await readOnce(path)).text).toBe(lines(0, 3));
  });

  it("but is in the log's place is an error, which is over once a log is there", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 3));
    fs.renameSync(path, `${path}.kept`);
    execFileSync("mkfifo", [path]);
    const { source, recorded } = await openSource(path);
    expect(errors(recorded, "list")).toBeGreaterThan(0);
    const reader = await source.reader({ at: "beginning" });
    fs.renameSync(`${path}.kept`, path);
    expect(await readAll(reader, size(0, 3))).toBe(lines(0, 3));
  });
});

it.each([
  ["elsewhere, where its backups may lie: is warned of", "..", 1],
  ["beside it is read", ".", 0],
])("A log that is a link to a file %s", async (_, place, warned) => {
  const { path, writer } = setUp();
  writer.write(lines(0, 3));
  const link = join(dirname(path), place, "link.log");
  fs.symlinkSync(path, link);
  const { text, recorded } = await readOnce(link);
  expect(text).toBe(lines(0, 3));
  expect(errors(recorded, "ambiguous")).toBe(warned);
});
