import {
  appendFile,
  cp,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { z } from "zod";
import { ActiveFile } from "../../plugins/sinks/file/active.js";
import { Archive, type ArchiveOptions } from "../../plugins/sinks/file/archive.js";
import file from "../../plugins/sinks/file.js";
import type { SinkState } from "../../src/plugin/index.js";
import { documents, temporaryDirectory, testHost } from "./support.js";

const DAY = 86_400_000;
/** Of an archive that does not mind whether a test runs over midnight. */
const options = (path: string, more: Partial<ArchiveOptions> = {}): ArchiveOptions => ({
  path,
  maxSize: 1e9,
  rotateDaily: false,
  maxBackups: 0,
  gzip: false,
  fsync: "checkpoint",
  minFree: 0,
  ...more,
});

async function opened(path: string, more: Partial<ArchiveOptions> = {}, state?: SinkState, now = () => Date.now()) {
  const archive = new Archive(options(path, more), testHost({ now }));
  onTestFinished(() => archive.close());
  await archive.restore(state);
  return archive;
}

/** What a host does at a checkpoint. */
async function checkpoint(archive: Archive): Promise<SinkState> {
  const state = archive.state();
  await archive.flush();
  return JSON.parse(JSON.stringify(state));
}

/** Every line of the archive, oldest file first. */
async function lines(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter((name) => /^audit[-.]/.test(name));
  const sequenceOf = (name: string) => Number(/-(\d{6})\./.exec(name)?.[1] ?? Number.POSITIVE_INFINITY);
  names.sort((a, b) => sequenceOf(a) - sequenceOf(b));
  const contents = names.map(async (name) => {
    const bytes = await readFile(join(directory, name));
    return (name.endsWith(".gz") && bytes.length > 0 ? gunzipSync(bytes) : bytes).toString();
  });
  const text = (await Promise.all(contents)).join("");
  expect(text === "" || text.endsWith("\n")).toBe(true);
  return text.split("\n").slice(0, -1);
}

/** Makes disks full: of what is written next only so many bytes still fit. What is too much cannot even be cut off. */
async function fillDisk(bytes: number): Promise<() => void> {
  const some = await open(process.execPath);
  const prototype = Object.getPrototypeOf(some) as FileHandle;
  await some.close();
  const write = prototype.write as (...given: unknown[]) => Promise<never>;
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  let left = bytes;
  const writes = vi.spyOn(prototype, "write").mockImplementation(async function (
    this: FileHandle,
    ...given: unknown[]
  ) {
    const [buffer, offset, length, position] = given as [Buffer, number, number, number];
    if (left === 0) throw full;
    const fits = Math.min(left, length);
    left -= fits;
    return write.call(this, buffer, offset, fits, position);
  });
  const cuts = vi.spyOn(prototype, "truncate").mockRejectedValue(full);
  return () => {
    writes.mockRestore();
    cuts.mockRestore();
  };
}

describe("an archive file", () => {
  it("holds one document per line, can be read by its owner alone, and lies in a directory that was made for it", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "deep", "er", "audit.ndjson");
    const archive = await opened(path);
    await archive.fold(documents('{"a":1}', '{"b":"ü"}'));
    await archive.fold(documents('{"c":3}'));
    await archive.close();
    expect(await readFile(path, "utf8")).toBe('{"a":1}\n{"b":"ü"}\n{"c":3}\n');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, "deep"))).mode & 0o777).toBe(0o700);
  });

  it("is cut back to the acknowledged length when its cursor is restored", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "audit.ndjson");
    const before = await opened(path);
    await before.fold(documents("1", "2"));
    const state = await checkpoint(before);
    await before.fold(documents("3", "4"));
    await appendFile(path, "half a li");
    const after = await opened(path, {}, state);
    await after.fold(documents("3"));
    expect(await lines(directory)).toEqual(["1", "2", "3"]);
  });

  it("is cut back to where it was found when its cursor had no state yet", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "audit.ndjson");
    await writeFile(path, "old\n");
    const archive = await opened(path);
    await archive.fold(documents("1"));
    await archive.restore(undefined);
    await archive.fold(documents("1", "2"));
    expect(await lines(directory)).toEqual(["old", "1", "2"]);
  });

  it("appends on a fresh line to a file that was there before, whatever it ends with", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "audit.ndjson");
    await writeFile(path, "old\nhalf");
    const archive = await opened(path);
    await archive.fold(documents("1"));
    expect(await lines(directory)).toEqual(["old", "half", "1"]);
  });

  it("puts aside a gzip file that was there before, because it may end in half a member", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "audit.ndjson");
    await writeFile(`${path}.gz`, "not even gzip");
    const archive = await opened(path, { gzip: true });
    await archive.fold(documents("1"));
    await archive.close();
    const names = await readdir(directory);
    expect(names).toHaveLength(2);
    const aside = names.find((name) => name !== "audit.ndjson.gz")!;
    expect(await readFile(join(directory, aside), "utf8")).toBe("not even gzip");
    expect(gunzipSync(await readFile(`${path}.gz`)).toString()).toBe("1\n");
  });

  it("leaves a file alone that is not the one its cursor speaks of, and says so", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "audit.ndjson");
    const before = await opened(path);
    await before.fold(documents("1", "2"));
    const state = await checkpoint(before);
    await before.close();
    await rename(path, join(directory, "mine"));
    await writeFile(path, "somebody else's, and longer\n");
    const host = testHost();
    const after = new Archive(options(path), host);
    onTestFinished(() => after.close());
    await after.restore(state);
    await after.fold(documents("3"));
    expect(await readFile(path, "utf8")).toBe("somebody else's, and longer\n3\n");
    expect(host.told.warnings).toEqual([expect.stringContaining("not the one that was written")]);
  });

  it.each([{ length: -5 }, { length: 1.5 }, { sequence: -1 }, { sequence: 1e30 }])(
    "goes on behind what is there when its state is damaged (%o)",
    async (damage) => {
      const directory = await temporaryDirectory();
      const path = join(directory, "audit.ndjson");
      const before = await opened(path);
      await before.fold(documents("1"));
      const state = await checkpoint(before);
      await before.close();
      const after = await opened(path, {}, { ...state, ...damage });
      await after.fold(documents("2"));
      expect(await readFile(path, "utf8")).toBe("1\n2\n");
      expect((await checkpoint(after)).sequence).toBe(1);
    },
  );

  it("goes on in a new place when the path is changed, and cuts the old one to what was acknowledged", async () => {
    const directory = await temporaryDirectory();
    const before = await opened(join(directory, "audit.ndjson"));
    await before.fold(documents("1"));
    const state = await checkpoint(before);
    await before.fold(documents("2"));
    await before.close();
    const after = await opened(join(directory, "new.ndjson"), {}, state);
    await after.fold(documents("2"));
    expect(await readFile(join(directory, "audit.ndjson"), "utf8")).toBe("1\n");
    expect(await readFile(join(directory, "new.ndjson"), "utf8")).toBe("2\n");
  });

  it("takes back a batch of which only a part could be written, fails readably, and goes on when there is room", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "audit.ndjson");
    const archive = await opened(path);
    await archive.fold(documents("1"));
    const free = await fillDisk(3);
    onTestFinished(free);
    const failing = archive.fold(documents("2".repeat(100)));
    await expect(failing).rejects.toThrow(/cannot write the archive .*no space left.*Free space/);
    expect(await readFile(path, "utf8")).toBe("1\n222");
    free();
    const state = await checkpoint(archive);
    expect(state.length).toBe(2);
    expect(await readFile(path, "utf8")).toBe("1\n");
    await archive.fold(documents("2", "3"));
    expect(await lines(directory)).toEqual(["1", "2", "3"]);
  });

  it.skipIf(process.platform !== "linux")("fails readably on a device that is full", async () => {
    const file = await ActiveFile.open("/dev/full");
    await expect(file.append(Buffer.from("x"))).rejects.toMatchObject({ code: "ENOSPC" });
    expect(file.length).toBe(0);
    await file.close();
  });

  it("keeps what gzip has gathered when a later batch cannot be written", async () => {
    const directory = await temporaryDirectory();
    const archive = await opened(join(directory, "audit.ndjson"), { gzip: true });
    await archive.fold(documents("1"));
    const append = vi.spyOn(ActiveFile.prototype, "append").mockRejectedValue(new Error("EIO"));
    await expect(archive.fold(documents("x".repeat(300_000)))).rejects.toThrow("EIO");
    await expect(checkpoint(archive)).rejects.toThrow("EIO");
    append.mockRestore();
    await archive.fold(documents("2"));
    await archive.close();
    expect(await lines(directory)).toEqual(["1", "2"]);
  });

  it("keeps what is acknowledged but not written when it is restored to where it is, as after a full disk", async () => {
    const directory = await temporaryDirectory();
    const archive = await opened(join(directory, "audit.ndjson"), { gzip: true });
    await archive.fold(documents("1"));
    await archive.restore(archive.state());
    await archive.fold(documents("2"));
    await archive.close();
    expect(await lines(directory)).toEqual(["1", "2"]);
  });

  it("probes the disk by writing to it, and leaves nothing behind", async () => {
    const directory = await temporaryDirectory();
    const archive = await opened(join(directory, "audit.ndjson"));
    await archive.probe();
    expect(await readdir(directory)).toEqual(["audit.ndjson"]);
    await writeFile(join(directory, "file"), "");
    for (const path of [join(directory, "file", "audit.ndjson"), directory]) {
      const nowhere = new Archive(options(path), testHost());
      await expect(nowhere.probe()).rejects.toThrow("cannot write the archive");
    }
  });

  it("probes without making what is not there", async () => {
    const directory = await temporaryDirectory();
    await new Archive(options(join(directory, "deep", "er", "audit.ndjson")), testHost()).probe();
    expect(await readdir(directory)).toEqual([]);
  });
});

describe("an archive that others meddle with", () => {
  const ACTS = {
    moved: (path: string) => rename(path, join(dirname(path), "mine")),
    deleted: (path: string) => rm(path),
    "deleted with its directory": (path: string) => rm(dirname(path), { recursive: true }),
    cut: (path: string) => truncate(path, 0),
    replaced: async (path: string) => {
      await writeFile(`${path}.new`, "");
      await rename(`${path}.new`, path);
    },
  };
  const CASES = Object.entries(ACTS).flatMap(([name, act]) => [false, true].map((gzip) => ({ name, act, gzip })));

  it.each(CASES)("goes on at its path when its file was $name (gzip: $gzip), and is stored as ever", async (given) => {
    const directory = join(await temporaryDirectory(), "archive");
    const path = join(directory, "audit.ndjson");
    const archive = await opened(path, { gzip: given.gzip });
    await archive.fold(documents("1"));
    await checkpoint(archive);
    await archive.fold(documents("2"));
    // With gzip this is acknowledged, and in no file yet.
    archive.state();
    await given.act(given.gzip ? `${path}.gz` : path);
    await archive.flush();
    await archive.fold(documents("3"));
    const state = await checkpoint(archive);
    await archive.fold(documents("lost in a crash"));
    await archive.close();
    const after = await opened(path, { gzip: given.gzip, maxSize: 1 }, state);
    await after.fold(documents("4"));
    await after.close();
    expect(await lines(directory)).toEqual(given.gzip ? ["2", "3", "4"] : ["3", "4"]);
  });

  it("keeps what stands in a file that was put in its place", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "audit.ndjson");
    const archive = await opened(path);
    await archive.fold(documents("1"));
    await rename(path, join(directory, "mine"));
    await writeFile(path, "somebody else's");
    await archive.fold(documents("2"));
    expect(await readFile(path, "utf8")).toBe("somebody else's\n2\n");
  });
});

describe("fsync of an archive", () => {
  async function syncs(fsync: ArchiveOptions["fsync"], gzip: boolean) {
    const some = await open(process.execPath);
    const sync = vi.spyOn(Object.getPrototypeOf(some) as FileHandle, "datasync");
    await some.close();
    const archive = await opened(join(await temporaryDirectory(), "audit.ndjson"), { fsync, gzip });
    await archive.fold(documents("1"));
    await archive.fold(documents("2"));
    const folded = sync.mock.calls.length;
    await checkpoint(archive);
    const all = sync.mock.calls.length;
    sync.mockRestore();
    return { folded, checkpoint: all - folded };
  }

  it.each([false, true])("is done before the cursor passes, always, or never (gzip: %s)", async (gzip) => {
    expect(await syncs("checkpoint", gzip)).toEqual({ folded: 0, checkpoint: 1 });
    expect((await syncs("always", gzip)).folded).toBe(2);
    expect(await syncs("never", gzip)).toEqual({ folded: 0, checkpoint: 0 });
  });

  it.each([false, true])("that fails after a batch was written leaves nothing of it (gzip: %s)", async (gzip) => {
    const directory = await temporaryDirectory();
    const archive = await opened(join(directory, "audit.ndjson"), { fsync: "always", gzip });
    await archive.fold(documents("1"));
    const some = await open(process.execPath);
    const sync = vi
      .spyOn(Object.getPrototypeOf(some) as FileHandle, "datasync")
      .mockRejectedValueOnce(new Error("EIO"));
    await some.close();
    onTestFinished(() => void sync.mockRestore());
    await expect(archive.fold(documents("2"))).rejects.toThrow("EIO");
    await archive.fold(documents("2"));
    await archive.close();
    expect(await lines(directory)).toEqual(["1", "2"]);
  });
});

describe("an archive that leaves space to others", () => {
  it("takes nothing while there is less, and says what is missing", async () => {
    const directory = await temporaryDirectory();
    const archive = await opened(join(directory, "audit.ndjson"), { minFree: Number.MAX_SAFE_INTEGER });
    await expect(archive.fold(documents("1"))).rejects.toThrow(
      /cannot write the archive .*audit.ndjson: [\d.]+ MiB are free, and [\d.]+ are needed \(minFree: [\d.]+ MiB\)\. Free space/,
    );
    await expect(archive.probe()).rejects.toThrow("minFree");
    expect(await readFile(join(directory, "audit.ndjson"), "utf8")).toBe("");
    const there = await opened(join(directory, "other.ndjson"), { minFree: 1 });
    await there.probe();
    await there.fold(documents("1"));
    expect(await readFile(join(directory, "other.ndjson"), "utf8")).toBe("1\n");
  });

  it("probes a directory that is not there yet", async () => {
    const path = join(await temporaryDirectory(), "deep", "er", "audit.ndjson");
    await new Archive(options(path, { minFree: 1 }), testHost()).probe();
    const full = new Archive(options(path, { minFree: Number.MAX_SAFE_INTEGER }), testHost());
    await expect(full.probe()).rejects.toMatchObject({ message: expect.stringContaining("minFree"), slow: true });
  });

  it("deletes what is too old while it waits for space", async () => {
    const directory = await temporaryDirectory();
    let now = Date.now();
    const path = join(directory, "audit.ndjson");
    const archive = await opened(path, { maxSize: 1, retention: 7 * DAY }, undefined, () => now);
    for (const line of "123") await archive.fold(documents(line));
    await checkpoint(archive);
    await checkpoint(archive);
    now += 8 * DAY;
    await archive.probe();
    expect(await lines(directory)).toEqual(["3"]);
  });
});

describe("rotation of an archive", () => {
  it("that fails is undone, and costs no file", async () => {
    const directory = await temporaryDirectory();
    const archive = await opened(join(directory, "audit.ndjson"), { maxSize: 1 });
    await archive.fold(documents("1"));
    const { open: openActive } = ActiveFile;
    const failing = vi.spyOn(ActiveFile, "open").mockImplementationOnce(async (path) => {
      await (await openActive(path)).close();
      throw new Error("EIO: fsync");
    });
    onTestFinished(() => void failing.mockRestore());
    await expect(archive.fold(documents("2"))).rejects.toThrow("EIO");
    await archive.fold(documents("2"));
    await archive.fold(documents("3"));
    expect(await lines(directory)).toEqual(["1", "2", "3"]);
  });

  it("begins a new file before one grows beyond maxSize, and numbers the old ones", async () => {
    const directory = await temporaryDirectory();
    const now = () => Date.parse("2026-11-21T10:00:00Z");
    await writeFile(join(directory, "audit.ndjson"), "");
    await utimes(join(directory, "audit.ndjson"), now() / 1000, now() / 1000);
    const archive = await opened(join(directory, "audit.ndjson"), { maxSize: 10 }, undefined, now);
    for (const line of ["1234", "5678", "9abc", "a line beyond it", "d"]) await archive.fold(documents(line));
    expect((await readdir(directory)).sort()).toEqual([
      "audit-2026-11-21-000001.ndjson",
      "audit-2026-11-21-000002.ndjson",
      "audit-2026-11-21-000003.ndjson",
      "audit.ndjson",
    ]);
    expect(await lines(directory)).toEqual(["1234", "5678", "9abc", "a line beyond it", "d"]);
  });

  it("begins a new file with the first write of a UTC day, and none for a day without events", async () => {
    const directory = await temporaryDirectory();
    let now = Date.now();
    const archive = await opened(join(directory, "audit.ndjson"), { rotateDaily: true }, undefined, () => now);
    const today = new Date(now).toISOString().slice(0, 10);
    await archive.fold(documents("1"));
    now += 3 * DAY;
    await archive.fold(documents("2"));
    await archive.fold(documents("3"));
    expect((await readdir(directory)).sort()).toEqual([`audit-${today}-000001.ndjson`, "audit.ndjson"]);
    expect(await readFile(join(directory, "audit.ndjson"), "utf8")).toBe("2\n3\n");
  });

  it("names files by the day of their first write, also where one was begun earlier or cut back later", async () => {
    const directory = await temporaryDirectory();
    let now = Date.now();
    const dayOf = (time: number) => new Date(time).toISOString().slice(0, 10);
    const before = await opened(join(directory, "audit.ndjson"), { rotateDaily: true }, undefined, () => now);
    now += DAY;
    await before.fold(documents("1"));
    await before.fold(documents("2"));
    const state = await checkpoint(before);
    expect(await readFile(join(directory, "audit.ndjson"), "utf8")).toBe("1\n2\n");
    await before.fold(documents("lost in a crash"));
    await before.close();
    await utimes(join(directory, "audit.ndjson"), now / 1000, now / 1000);
    const after = await opened(join(directory, "audit.ndjson"), { rotateDaily: true }, state, () => now + DAY);
    await after.fold(documents("3"));
    expect((await readdir(directory)).sort()).toEqual([`audit-${dayOf(now)}-000001.ndjson`, "audit.ndjson"]);
    expect(await readFile(join(directory, "audit.ndjson"), "utf8")).toBe("3\n");
  });

  it("keeps maxBackups files and those of the retention, but never deletes one that the stored cursor may need", async () => {
    const directory = await temporaryDirectory();
    const archive = await opened(join(directory, "audit.ndjson"), { maxSize: 1, maxBackups: 2 });
    for (const line of "123456") await archive.fold(documents(line));
    expect(await lines(directory)).toEqual(["1", "2", "3", "4", "5", "6"]);
    await checkpoint(archive);
    await checkpoint(archive);
    await archive.fold(documents("7"));
    expect(await lines(directory)).toEqual(["5", "6", "7"]);
    await archive.close();

    const old = new Date(Date.now() - 8 * DAY);
    for (const name of await readdir(directory)) await utimes(join(directory, name), old, old);
    await opened(join(directory, "audit.ndjson"), { maxSize: 1, retention: 7 * DAY });
    expect(await lines(directory)).toEqual(["7"]);
  });

  it("looks at rotated files as far as they are too old, and at those behind one that was touched within the hour", async () => {
    const directory = await temporaryDirectory();
    let now = Date.now();
    const path = join(directory, "audit.ndjson");
    const archive = await opened(path, { maxSize: 1, retention: 7 * DAY }, undefined, () => now);
    for (const line of "1234") await archive.fold(documents(line));
    for (const _ of "ab") await checkpoint(archive);
    const [first, second] = (await readdir(directory)).sort();
    await utimes(join(directory, first), now / 1000 + DAY, now / 1000 + DAY);
    await utimes(join(directory, second), now / 1000 - 8 * DAY, now / 1000 - 8 * DAY);
    await archive.fold(documents("5"));
    expect(await lines(directory)).toEqual(["1", "2", "3", "4", "5"]);
    now += DAY / 24 + 1;
    await archive.fold(documents("6"));
    expect(await lines(directory)).toEqual(["1", "3", "4", "5", "6"]);
  });

  it("is undone when the cursor lies before it", async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, "audit.ndjson");
    const before = await opened(path, { maxSize: 5 });
    await before.fold(documents("1"));
    const state = await checkpoint(before);
    for (const line of ["2", "3", "4", "5", "6", "7"]) await before.fold(documents(line));
    expect((await readdir(directory)).length).toBeGreaterThan(3);
    const after = await opened(path, {}, state);
    await after.fold(documents("2"));
    expect(await readdir(directory)).toEqual(["audit.ndjson"]);
    expect(await readFile(path, "utf8")).toBe("1\n2\n");
  });

  it("leaves files alone whose names only look like its own", async () => {
    const directory = await temporaryDirectory();
    const foreign = ["audit-2026-11-21-000001.ndjson.bak", "audit-policy.ndjson", "audit-2026-11-21.ndjson"];
    for (const name of foreign) await writeFile(join(directory, name), "mine");
    const archive = await opened(join(directory, "audit.ndjson"), { maxSize: 1, maxBackups: 1 });
    for (const line of "1234") {
      await archive.fold(documents(line));
      await checkpoint(archive);
    }
    for (const name of foreign) expect(await readFile(join(directory, name), "utf8")).toBe("mine");
  });
});

describe("a kill at any moment", () => {
  for (const gzip of [false, true]) {
    it(`leaves each event in the ${gzip ? "compressed" : "plain"} archive exactly once after the next start, over rotations and full disks too`, async () => {
      const step = fc.oneof(
        { weight: 5, arbitrary: fc.record({ fold: fc.array(fc.nat({ max: 400 }), { minLength: 1, maxLength: 4 }) }) },
        { weight: 2, arbitrary: fc.constant("checkpoint" as const) },
        { weight: 1, arbitrary: fc.constant("big" as const) },
        { weight: 2, arbitrary: fc.constant("kill" as const) },
        { weight: 1, arbitrary: fc.constant("midnight" as const) },
        { weight: 2, arbitrary: fc.record({ full: fc.nat({ max: 600 }) }) },
      );
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { maxLength: 25 }),
          fc.integer({ min: 1, max: 900 }),
          async (steps, maxSize) => {
            const root = await temporaryDirectory();
            let generation = 0;
            let directory = join(root, "0");
            await mkdir(directory);
            let now = Date.now();
            const given = { gzip, maxSize, rotateDaily: true };
            const start = (state?: SinkState) => opened(join(directory, "audit.ndjson"), given, state, () => now);
            let archive = await start();
            // The cursor: how many events are acknowledged for good, and the sink's state with it.
            let stored = { events: 0, state: await checkpoint(archive) };
            let next = 0;
            const event = (size: number) => `${next++}:${"x".repeat(size)}`;
            for (const action of steps) {
              if (action === "checkpoint") stored = { events: next, state: await checkpoint(archive) };
              else if (action === "midnight") now += DAY;
              else if (action === "big") await archive.fold(documents(event(300_000)));
              else if (action === "kill") {
                directory = join(root, String(++generation));
                await cp(join(root, String(generation - 1)), directory, { recursive: true, preserveTimestamps: true });
                await archive.close();
                const state = { ...stored.state, path: join(directory, gzip ? "audit.ndjson.gz" : "audit.ndjson") };
                archive = await start(state);
                next = stored.events;
              } else if ("full" in action) {
                const free = await fillDisk(action.full);
                const folded = archive.fold(documents(event(action.full)));
                await folded.catch(() => next--);
                const checked = checkpoint(archive);
                await checked.then((state) => (stored = { events: next, state })).catch(() => {});
                free();
              } else await archive.fold(documents(...action.fold.map(event)));
            }
            await checkpoint(archive);
            await archive.close();
            const numbers = (await lines(directory)).map((line) => Number(line.split(":")[0]));
            expect(numbers).toEqual(Array.from({ length: next }, (_, index) => index));
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  it("leaves a state that is true even when events are folded between taking it and flushing it", async () => {
    for (const gzip of [false, true]) {
      const directory = await temporaryDirectory();
      const path = join(directory, "audit.ndjson");
      const before = await opened(path, { gzip });
      await before.fold(documents("1"));
      const state = before.state();
      const folded = before.fold(documents("2"));
      await Promise.all([before.flush(), folded]);
      await before.close();
      const after = await opened(path, { gzip }, state);
      await after.fold(documents("2", "3"));
      await after.close();
      expect(await lines(directory)).toEqual(["1", "2", "3"]);
    }
  });
});

describe("the file sink's options", () => {
  it("have a default for everything but the path", () => {
    const schema = file.options(z);
    expect(schema.parse({ path: "a" })).toEqual({
      path: "a",
      maxSize: 104_857_600,
      rotateDaily: true,
      maxBackups: 0,
      retention: "none",
      gzip: false,
      fsync: "checkpoint",
      minFree: 0,
    });
    expect(schema.parse({ path: "a", retention: "7d" }).retention).toBe(7 * DAY);
    expect(schema.safeParse({ path: "a", compress: true }).success).toBe(false);
  });
});
