import fs from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Position, Source, StartPoint, StoredPosition } from "../../src/plugin/index.js";
import { Lumberjack } from "../support/lumberjack.js";
import { patience } from "../support/patience.js";
import { line, lines, openSource, readAll, readOnce, stored, tempDirectory, textOf } from "./harness.js";

const START = Date.UTC(2026, 10, 20);

function setUp() {
  const path = join(tempDirectory(), "audit.log");
  let now = START;
  const writer = new Lumberjack(path, { now: () => now++ });
  return { path, writer };
}

/** Reads so many bytes and returns what a restart needs. */
async function readSome(
  path: string,
  bytes: number,
): Promise<{ at: StartPoint; restored: object; position: Position }> {
  const { source } = await openSource(path);
  const reader = await source.reader({ at: "beginning" });
  await readAll(reader, bytes, bytes);
  const position = reader.position()!;
  const restored = source.state(position);
  await source.close();
  return { at: stored(position), restored, position };
}

const size = (from: number, to: number) => lines(from, to).length;
/** Bytes that no log gets more of in so many milliseconds: 1 GiB/s. */
const mostIn = (milliseconds: number) => Math.ceil((milliseconds * 1024 ** 3) / 1000);

describe("bytes that were deleted before they were read", () => {
  it("while the agent was down are counted to the byte where their size was seen, and reading goes on", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const [first] = [writer.rotate()];
    writer.write(lines(10, 20));
    const second = writer.rotate();
    writer.write(lines(20, 30));
    const { at, restored } = await readSome(path, size(0, 4));
    writer.delete(first);
    writer.delete(second);
    const { text, recorded } = await readOnce(path, at, { restored });
    expect(text).toBe(lines(20, 30));
    expect(recorded.losses.map(({ reason, bytes }) => ({ reason, bytes }))).toEqual([
      { reason: "deleted", bytes: size(4, 10) },
      { reason: "deleted", bytes: size(10, 20) },
    ]);
  });

  it("and were still growing when last seen are counted as far as seen, and as unseen beyond", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { at, restored, position } = await readSome(path, size(0, 4));
    writer.write(lines(10, 15));
    const backup = writer.rotate();
    writer.write(lines(20, 30));
    writer.delete(backup);
    const { text, recorded } = await readOnce(path, at, { restored });
    expect(text).toBe(lines(20, 30));
    const file = position.file.id;
    // 17 ms from the last event that was read to the next file's first, and 20 for what clocks may differ; less what is counted.
    const atMost = mostIn(17 + 20) - size(4, 10);
    expect(recorded.losses).toEqual([
      { reason: "unseen", bytes: 0, atMost, file },
      { reason: "deleted", bytes: size(4, 10), file },
    ]);
    expect(recorded.metrics.get("auditship_source_errors_total{apiserver,unseen}")).toBe(1);
    // 4 events in 3 ms.
    const likely = Math.ceil((size(0, 4) / 3) * 17) - size(4, 10);
    expect(recorded.log.find(({ kind }) => kind === "unseen")?.message).toContain(`some ${likely} bytes`);
  });

  it("are told as unseen when nothing is known of their file", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { at } = await readSome(path, size(0, 4));
    const backup = writer.rotate();
    writer.write(lines(20, 30));
    writer.delete(backup);
    const { text, recorded } = await readOnce(path, at);
    expect(text).toBe(lines(20, 30));
    expect(recorded.losses).toMatchObject([{ reason: "unseen", bytes: 0 }]);
  });

  it("are counted once, however many readers miss them", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const backup = writer.rotate();
    writer.write(lines(20, 30));
    const { at, restored } = await readSome(path, size(0, 6));
    const earlier = structuredClone(at) as { at: "position"; position: StoredPosition };
    earlier.position.offset = size(0, 4);
    writer.delete(backup);
    const { source, recorded } = await openSource(path, { once: true, restored });
    for (const start of [at, at, earlier, earlier]) {
      expect(await readAll(await source.reader(start))).toBe(lines(20, 30));
    }
    expect(recorded.losses.map(({ bytes }) => bytes)).toEqual([size(6, 10), size(4, 6)]);
    const again = await readOnce(path, earlier, { restored: source.state(undefined) });
    expect(again.recorded.losses).toEqual([]);
  });

  it("are none where a deleted file was read to its end", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const backup = writer.rotate();
    writer.write(lines(20, 30));
    const { at, restored, position } = await readSome(path, size(0, 10));
    expect(position.offset).toBe(size(0, 10));
    writer.delete(backup);
    const { source, recorded } = await openSource(path, { restored });
    const { position: place } = at as { position: StoredPosition };
    expect(source.locate(place)).toMatchObject({ offset: 0 });
    expect(source.locate({ ...place, offset: 1 })).toBeUndefined();
    expect(textOf(await (await source.reader(at)).next(Buffer.alloc(100_000)))).toBe(lines(20, 30));
    expect(recorded.losses).toEqual([]);
  });

  it("are none while a reader holds the file: it is read to its final size", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    expect(await readAll(reader, 1, 300)).toBe(lines(0, 1));
    writer.write(lines(10, 15));
    writer.delete(writer.rotate());
    writer.write(lines(20, 30));
    expect(await readAll(reader, size(1, 15) + size(20, 30))).toBe(lines(1, 15) + lines(20, 30));
    expect(recorded.losses).toEqual([]);
  });

  it("are bounded where rotation deleted files between two looks", async () => {
    const path = join(tempDirectory(), "audit.log");
    // The names' clock is that of the events.
    let now = 0;
    const writer = new Lumberjack(path, { now: () => 1_800_000_000_000 + now, maxBackups: 1 });
    writer.write(lines(0, 10));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    await readAll(reader, size(0, 10));
    for (const from of [10, 20, 30]) {
      now = from;
      writer.rotate();
      writer.write(lines(from, from + 10));
      writer.mill();
    }
    // 0–10 are held, 10–20 were never seen, 20–30 are the one backup.
    expect(await readAll(reader, size(20, 40))).toBe(lines(20, 40));
    expect(recorded.losses).toMatchObject([{ reason: "unseen", bytes: 0, atMost: mostIn(20 - 9 + 20) }]);
  });

  it.each([
    ["of one millisecond", 0],
    ["of a few milliseconds", 1],
  ])("are bounded where a burst of rotations %s follows hours at a low rate", async (_when, step) => {
    const path = join(tempDirectory(), "audit.log");
    const hour = 3_600_000;
    let now = START;
    const writer = new Lumberjack(path, { now: () => now, maxBackups: 1 });
    const kept = line(1, START) + line(2, START + hour);
    writer.write(kept);
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    await readAll(reader, kept.length);
    now += hour;
    const burst = Array.from({ length: 30 }, (_, i) => line(100 + i, now + i * step, "x".repeat(2500)));
    for (const event of burst) {
      writer.rotate();
      writer.write(event);
      now += step;
      writer.mill();
    }
    // The last file is written to, the one before it is the one backup; 28 were never seen.
    const [backup, active] = burst.slice(-2);
    expect(await readAll(reader, backup.length + active.length)).toBe(backup + active);
    expect(recorded.losses).toMatchObject([{ reason: "unseen", bytes: 0 }]);
    const lost = burst.slice(0, -2).join("").length;
    expect(lost).toBeGreaterThan(70_000);
    expect(recorded.losses[0].atMost).toBeGreaterThanOrEqual(lost);
  });

  it("are told without an upper bound where the clock was set back in between", async () => {
    const { path, writer } = setUp();
    writer.write(lines(1000, 1010));
    const { at, restored } = await readSome(path, size(1000, 1010));
    writer.delete(writer.rotate());
    writer.write(lines(0, 10));
    const { text, recorded } = await readOnce(path, at, { restored });
    expect(text).toBe(lines(0, 10));
    expect(recorded.losses).toEqual([{ reason: "unseen", bytes: 0, file: expect.any(String) }]);
  });

  it("are counted though nobody had begun to read", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const backup = writer.rotate();
    writer.write(lines(10, 20));
    const { source, recorded } = await openSource(path);
    writer.delete(backup);
    writer.rotate();
    writer.write(lines(20, 30));
    await vi.waitUntil(() => source.lag(undefined).bytes === size(10, 30), patience);
    expect(await readAll(await source.reader({ at: "beginning" }), size(10, 30))).toBe(lines(10, 30));
    expect(recorded.losses).toMatchObject([{ reason: "deleted", bytes: size(0, 10) }]);
  });

  it("are none where the file that is written to was deleted by hand, and a new one follows", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    await readAll(reader, size(0, 10));
    fs.unlinkSync(path);
    writer.rotate();
    writer.write(lines(10, 20));
    writer.rotate();
    writer.write(lines(20, 30));
    expect(await readAll(reader, size(10, 30))).toBe(lines(10, 30));
    expect(recorded.losses).toEqual([]);
  });

  it("are told when a second rotation in the same millisecond overwrites a backup", async () => {
    const path = join(tempDirectory(), "audit.log");
    const writer = new Lumberjack(path, { now: () => START });
    writer.write(lines(0, 10));
    writer.rotate();
    writer.write(lines(10, 20));
    const { at, restored } = await readSome(path, size(0, 4));
    writer.rotate();
    writer.write(lines(20, 30));
    const { text, recorded } = await readOnce(path, at, { restored });
    expect(text).toBe(lines(10, 30));
    expect(recorded.losses).toMatchObject([{ reason: "overwritten", bytes: size(4, 10) }]);
  });

  it("are told when that happens while the agent looks on", async () => {
    const path = join(tempDirectory(), "audit.log");
    const writer = new Lumberjack(path, { now: () => START });
    writer.write(lines(0, 10));
    const { source, recorded } = await openSource(path);
    const live = await source.reader({ at: "beginning" });
    await readAll(live, size(0, 10));
    const behind = stored({ ...live.position()!, offset: size(0, 4) });
    for (const from of [10, 20]) {
      writer.rotate();
      writer.write(lines(from, from + 10));
      await readAll(live, size(from, from + 10));
    }
    const late = await source.reader(behind);
    expect(await readAll(late, size(10, 30))).toBe(lines(10, 30));
    expect(recorded.losses).toMatchObject([{ reason: "overwritten", bytes: size(4, 10) }]);
  });

  it("are bounded where backups of one millisecond overwrote each other between two looks", async () => {
    const path = join(tempDirectory(), "audit.log");
    let now = 0;
    const writer = new Lumberjack(path, { now: () => 1_800_000_000_000 + now });
    writer.write(lines(0, 10));
    now = 10;
    writer.rotate();
    writer.write(lines(10, 20));
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    await readAll(reader, size(0, 20));
    now = 20;
    for (const from of [20, 30, 40]) {
      writer.rotate();
      writer.write(lines(from, from + 10));
    }
    // 10–20 are held, 20–30 were never seen, 30–40 have the name that both had. The backup 0–10 is still there.
    expect(await readAll(reader, size(30, 50))).toBe(lines(30, 50));
    expect(recorded.losses).toMatchObject([{ reason: "unseen", bytes: 0 }]);
    expect(recorded.losses[0].atMost).toBeGreaterThanOrEqual(size(20, 30));
  });

  it("are bounded where the newest file was gone already when the state was written", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    await readAll(reader, size(0, 10));
    const position = reader.position()!;
    writer.close();
    fs.truncateSync(path);
    const state = () => source.state(position) as { files: { gone?: string }[] };
    await vi.waitUntil(() => state().files[0].gone === "overwritten", patience);
    const restored = state();
    await source.close();
    writer.write(lines(10, 20));
    const first = writer.rotate();
    writer.write(lines(20, 30));
    writer.rotate();
    writer.write(lines(30, 40));
    writer.delete(first);
    const { text, recorded } = await readOnce(path, stored(position), { restored });
    expect(text).toBe(lines(20, 40));
    expect(recorded.losses).toMatchObject([{ reason: "unseen", bytes: 0, atMost: mostIn(20 - 9 + 20) }]);
  });

  it("are bounded though a backup after them could not be opened at first", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { at, restored } = await readSome(path, size(0, 10));
    const backups = [10, 20, 30, 40].map((from) => {
      const backup = writer.rotate();
      writer.write(lines(from, from + 10));
      return backup;
    });
    for (const backup of backups.slice(0, 2)) writer.delete(backup);
    let forbidden = true;
    const real = fs.openSync;
    const spy = vi.spyOn(fs, "openSync").mockImplementation((file, ...rest) => {
      if (forbidden && String(file).endsWith(backups[3])) throw Object.assign(new Error("EACCES"), { code: "EACCES" });
      return real(file, ...rest);
    });
    onTestFinished(() => spy.mockRestore());
    const { source, recorded } = await openSource(path, { restored });
    expect(recorded.log.map(({ kind }) => kind)).toEqual(["open"]);
    forbidden = false;
    expect(await readAll(await source.reader(at), size(20, 50))).toBe(lines(20, 50));
    expect(recorded.losses).toMatchObject([{ reason: "unseen", bytes: 0, atMost: mostIn(20 - 9 + 20) }]);
  });

  it("are counted to the byte of a file that got its first event and was overwritten between two looks", async () => {
    const path = join(tempDirectory(), "audit.log");
    let now = START;
    const writer = new Lumberjack(path, { now: () => now });
    writer.write(lines(0, 10));
    writer.rotate();
    now++;
    const { source, recorded } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    for (const from of [10, 20]) {
      writer.write(lines(from, from + 10));
      writer.rotate();
    }
    writer.write(lines(30, 40));
    expect(await readAll(reader, size(0, 10) + size(20, 40))).toBe(lines(0, 10) + lines(20, 40));
    const file = expect.any(String);
    // Others may have had the same name in between.
    expect(recorded.losses).toEqual([
      { reason: "unseen", bytes: 0, atMost: expect.any(Number), file },
      { reason: "deleted", bytes: size(10, 20), file },
    ]);
  });

  it("do not bring back what was done with before them, nor hide what came after", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    writer.rotate();
    writer.write(lines(10, 20));
    const { at, restored } = await readSome(path, size(0, 20));
    writer.delete(writer.rotate());
    writer.write(lines(20, 30));
    // Rotated after the last event that was read, as the clock would have it.
    fs.renameSync(path, join(dirname(path), writer.name.format(1_800_000_000_030)));
    writer.close();
    writer.write(lines(30, 40));
    const { text } = await readOnce(path, at, { restored });
    expect(text).toBe(lines(20, 40));
  });

  it("are not told while the directory is not there", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { at, restored } = await readSome(path, size(0, 4));
    const directory = dirname(path);
    fs.renameSync(directory, `${directory}-away`);
    const { source, recorded } = await openSource(path, { restored });
    const reader = await source.reader(at);
    const waiting = reader.next(Buffer.alloc(100_000));
    fs.renameSync(`${directory}-away`, directory);
    expect(textOf(await waiting)).toBe(lines(4, 10));
    expect(recorded.losses).toEqual([]);
  });
});

describe("what there is on disk", () => {
  it("is told as the time until rotation deletes it, and the size of the active file", async () => {
    const { path, writer } = setUp();
    const time = 1_800_000_000_000;
    writer.write(lines(0, 10));
    const { source, recorded } = await openSource(path, { now: () => time + 2010 });
    const told = () => {
      source.measure!();
      const { metrics } = recorded;
      return [
        metrics.get("auditship_active_bytes{apiserver}"),
        metrics.get("auditship_outage_budget_seconds{apiserver}"),
      ];
    };
    expect(told()).toEqual([size(0, 10), undefined]);
    writer.rotate();
    writer.write(lines(10, 20));
    writer.rotate();
    writer.write(lines(20, 25));
    await vi.waitUntil(() => source.lag(undefined).bytes === size(0, 25), patience);
    // 20 events' bytes are kept; 15 events' were written in the 2 seconds since event 10.
    expect(told()).toEqual([size(20, 25), (size(0, 20) / size(10, 25)) * 2]);
  });

  it("is warned of where a file outgrows maxSize and is not rotated, once per file", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { source, recorded } = await openSource(path, { maxSize: size(0, 10) });
    const warned = () => recorded.metrics.get("auditship_source_errors_total{apiserver,unrotated}");
    const seen = (bytes: number) => vi.waitUntil(() => source.lag(undefined).bytes === bytes, patience);
    await seen(size(0, 10));
    expect(warned()).toBeUndefined();
    writer.write(line(10));
    await seen(size(0, 11));
    writer.write(line(11));
    await seen(size(0, 12));
    expect(warned()).toBe(1);
    writer.rotate();
    writer.write(lines(12, 23));
    await seen(size(0, 23));
    expect(warned()).toBe(2);
    expect(recorded.log.filter(({ kind }) => kind === "unrotated").map(({ level }) => level)).toEqual(["warn", "warn"]);
  });
});

describe("lag", () => {
  async function setUpLag(now: number): Promise<{ source: Source; path: string }> {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    writer.rotate();
    writer.write(lines(10, 20));
    const { source } = await openSource(path, { now: () => now });
    return { source, path };
  }
  const time = (event: number) => 1_800_000_000_000 + event;

  it("is the bytes that are unread and the age of the oldest of their events", async () => {
    const { source } = await setUpLag(time(5000));
    const reader = await source.reader({ at: "beginning" });
    expect(source.lag(undefined)).toEqual({ bytes: size(0, 20), seconds: 5 });
    expect(source.lag(reader.position())).toEqual({ bytes: size(0, 20), seconds: 5 });
    await reader.next(Buffer.alloc(size(0, 4)));
    expect(source.lag(reader.position())).toEqual({ bytes: size(4, 20), seconds: (5000 - 4) / 1000 });
    await readAll(reader, size(4, 20));
    expect(source.lag(reader.position())).toEqual({ bytes: 0, seconds: 0 });
  });

  it("counts a compressed backup by its decompressed size", async () => {
    const path = join(tempDirectory(), "audit.log");
    const writer = new Lumberjack(path, { compress: true });
    writer.write(lines(0, 10));
    writer.rotate();
    writer.mill();
    writer.write(lines(10, 20));
    const { source } = await openSource(path, { now: () => time(5000) });
    expect(source.lag(undefined)).toEqual({ bytes: size(0, 20), seconds: 5 });
  });
});

describe("the file table", () => {
  it("keeps order and references across a restart, and forgets what nobody needs", async () => {
    const { path, writer } = setUp();
    for (let i = 0; i < 5; i++) {
      writer.write(lines(i * 10, i * 10 + 10));
      writer.rotate();
    }
    writer.write(line(99));
    const before = await openSource(path);
    const reader = await before.source.reader({ at: "beginning" });
    await readAll(reader, size(0, 21), 200);
    const position = reader.position()!;
    expect(position).toMatchObject({ file: { ordinal: 3 }, offset: size(20, 21) });
    const state = before.source.state(position) as { files: object[] };
    expect(state.files).toHaveLength(4);
    await before.source.close();
    writer.rotate();
    writer.write(line(100));

    const after = await openSource(path, { restored: state, once: true });
    expect(after.source.locate({ file: position.file.fingerprint, offset: 7 })).toEqual({ ...position, offset: 7 });
    const first = await (await after.source.reader({ at: "beginning" })).next(Buffer.alloc(10_000));
    expect(first!.file.ordinal).toBe(1);
    expect(await readAll(await after.source.reader(stored(position)))).toBe(lines(21, 50) + line(99) + line(100));
    expect(after.recorded.losses).toEqual([]);
  });

  it("puts a backup that is new behind the known ones though the clock was set back", async () => {
    const path = join(tempDirectory(), "audit.log");
    let now = START;
    const writer = new Lumberjack(path, { now: () => now });
    writer.write(lines(0, 10));
    writer.rotate();
    writer.write(lines(10, 20));
    const { source } = await openSource(path);
    const reader = await source.reader({ at: "beginning" });
    await readAll(reader, size(0, 20));
    now -= 3_600_000;
    writer.rotate();
    now += 1;
    writer.write(lines(20, 30));
    writer.rotate();
    writer.write(lines(30, 40));
    expect(await readAll(reader, size(20, 40))).toBe(lines(20, 40));
  });

  it.each([
    ["of a newer version", { version: 2, files: [] }],
    ["without a version", {}],
    ["with something else for files", { version: 1, files: [{ fingerprint: "x" }] }],
  ])("%s is refused", async (_what, restored) => {
    const { path, writer } = setUp();
    writer.write(line(1));
    await expect(openSource(path, { restored })).rejects.toMatchObject({ code: "AUDITSHIP_STATE_FORMAT" });
  });
});
