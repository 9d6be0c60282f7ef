import fs from "node:fs";
import os from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Position } from "../../src/plugin/index.js";
import { Lumberjack } from "../support/lumberjack.js";
import { patience } from "../support/patience.js";
import { lines, type Options, openSource, readAll, readOnce, stored, tempDirectory } from "./harness.js";

const size = (from: number, to: number) => lines(from, to).length;
const pin = { pin: true };

function setUp(compress = false) {
  const path = join(tempDirectory(), "audit.log");
  let now = 1_800_000_000_000;
  const writer = new Lumberjack(path, { now: () => now++, compress });
  const spool = join(dirname(path), ".auditship-apiserver");
  return { path, writer, spool, pinned: () => fs.readdirSync(spool).sort() };
}

/** Reads so many bytes with pins; returns what a restart needs. */
async function readSome(path: string, bytes: number, options: Options = pin) {
  const { source } = await openSource(path, options);
  const reader = await source.reader({ at: "beginning" });
  await readAll(reader, bytes, bytes);
  const position = reader.position()!;
  const restored = source.state(position);
  source.release!(position);
  await source.close();
  return { at: stored(position), restored, position };
}

/** Two backups and an active file of ten events each. */
function writeThree(writer: Lumberjack): string[] {
  const backups: string[] = [];
  for (const from of [0, 10]) {
    writer.write(lines(from, from + 10));
    backups.push(writer.rotate());
  }
  writer.write(lines(20, 30));
  return backups;
}

describe("pinned files", () => {
  it("are read though rotation deleted them while the agent was down, the active one to its last byte", async () => {
    const { path, writer, pinned } = setUp();
    const backups = writeThree(writer);
    const { at, restored } = await readSome(path, size(0, 4));
    expect(pinned()).toHaveLength(3);
    writer.write(lines(30, 35));
    backups.push(writer.rotate());
    writer.write(lines(40, 50));
    for (const backup of backups) writer.delete(backup);
    const { text, recorded } = await readOnce(path, at, { restored, ...pin });
    expect(text).toBe(lines(4, 35) + lines(40, 50));
    expect(recorded.losses).toEqual([]);
  });

  it("that the state does not know are followed by what nobody saw, which is told", async () => {
    const { path, writer, pinned } = setUp();
    writer.write(lines(0, 10));
    const { source } = await openSource(path, pin);
    const reader = await source.reader({ at: "beginning" });
    await readAll(reader, size(0, 10));
    const at = stored(reader.position());
    const restored = source.state(reader.position());
    const deleted = [writer.rotate()];
    writer.write(lines(10, 20));
    await vi.waitUntil(() => pinned().length === 2, patience);
    await source.close();
    for (const from of [20, 30, 40]) {
      deleted.push(writer.rotate());
      writer.write(lines(from, from + 10));
    }
    // 0–10 and 10–20 are pinned, 20–30 were never seen, 30–40 are the one backup.
    for (const backup of deleted.slice(0, 3)) writer.delete(backup);
    const { text, recorded } = await readOnce(path, at, { restored, ...pin });
    expect(text).toBe(lines(10, 20) + lines(30, 50));
    expect(recorded.losses).toMatchObject([{ reason: "unseen", bytes: 0 }]);
    expect(recorded.losses[0].atMost).toBeGreaterThanOrEqual(size(20, 30));
  });

  it.each([false, true])("are its owner's alone, compressed: %s", async (compress) => {
    const { path, writer, spool, pinned } = setUp(compress);
    writeThree(writer);
    await readSome(path, size(0, 4));
    expect(pinned()).toHaveLength(3);
    const mode = (name: string) => fs.statSync(name).mode & 0o777;
    expect(mode(spool)).toBe(0o700);
    expect(pinned().map((name) => mode(join(spool, name)))).toEqual([0o600, 0o600, 0o600]);
  });

  it("are let go when everything before is acknowledged, and not before", async () => {
    const { path, writer, pinned } = setUp();
    const backups = writeThree(writer);
    const { source, recorded } = await openSource(path, pin);
    const reader = await source.reader({ at: "beginning" });
    const positions: Position[] = [];
    for (let i = 0; i < 3; i++) {
      await readAll(reader, 1, 100_000);
      positions.push(reader.position()!);
    }
    expect(pinned()).toHaveLength(3);
    for (const [i, position] of positions.entries()) {
      source.release!(position);
      expect(pinned()).toHaveLength(3 - i);
    }
    expect(pinned()).toEqual([expect.stringContaining(positions[2].file.fingerprint)]);
    for (const backup of backups) expect(fs.statSync(join(dirname(path), backup)).nlink).toBe(1);
    expect(recorded.losses).toEqual([]);
  });

  it("are compressed where rotation compresses", async () => {
    const { path, writer, pinned } = setUp(true);
    writeThree(writer);
    const first = await readSome(path, size(0, 4));
    writer.mill();
    const { at, restored } = await readSome(path, size(0, 4), { ...pin, restored: first.restored });
    expect(pinned().map((name) => name.endsWith(".gz"))).toEqual([true, true, false]);
    for (const backup of writer.backups()) writer.delete(backup);
    const { text, recorded } = await readOnce(path, at, { restored, ...pin });
    expect(text).toBe(lines(4, 30));
    expect(recorded.losses).toEqual([]);
  });

  it.each([
    ["and that is written down", true],
    ["and that is not written down yet", false],
  ])("take no more room than pinSize: of the oldest what was not read is counted as lost, %s", async (_, written) => {
    const { path, writer, pinned } = setUp();
    const backups = writeThree(writer);
    const limited = { ...pin, pinSize: size(10, 20) };
    const { source, recorded } = await openSource(path, limited);
    const reader = await source.reader({ at: "beginning" });
    await readAll(reader, size(0, 4), size(0, 4));
    const position = reader.position()!;
    if (written) source.release!(position);
    await reader.close();
    for (const backup of backups) writer.delete(backup);
    writer.rotate();
    writer.write(lines(30, 31));
    await vi.waitUntil(() => recorded.metrics.get("auditship_pinned_bytes{apiserver}") === size(10, 20), patience);
    const late = await source.reader(stored(position));
    expect(await readAll(late, size(10, 31))).toBe(lines(10, 31));
    expect(recorded.losses).toEqual([{ reason: "deleted", bytes: size(4, 10), file: position.file.id }]);
    expect(recorded.metrics.get("auditship_source_errors_total{apiserver,pin}")).toBe(1);
    expect(pinned()).toHaveLength(3);
  });

  it("are kept though they cannot be read when the agent starts without its state, and read when they can", async () => {
    const { path, writer } = setUp();
    const backups = writeThree(writer);
    await readSome(path, size(0, 4));
    for (const backup of backups) writer.delete(backup);
    const real = fs.readSync as (fd: number, ...rest: unknown[]) => number;
    let failures = 0;
    const spy = vi.spyOn(fs, "readSync").mockImplementation(((fd: number, ...rest: unknown[]) => {
      if (failures === 0 && fs.readlinkSync(`/proc/self/fd/${fd}`).includes(".auditship-")) {
        failures++;
        throw Object.assign(new Error("EIO: injected"), { code: "EIO" });
      }
      return real(fd, ...rest);
    }) as never);
    onTestFinished(() => spy.mockRestore());
    const { source } = await openSource(path, pin);
    const reader = await source.reader({ at: "beginning" });
    expect(await readAll(reader, size(0, 30))).toBe(lines(0, 30));
    expect(failures).toBe(1);
  });

  it("are not kept twice where an agent ended after it had pinned the compressed file and before it let the plain one go", async () => {
    const { path, writer, spool, pinned } = setUp(true);
    writeThree(writer);
    const first = await readSome(path, size(0, 4));
    for (const name of pinned()) fs.linkSync(join(spool, name), join(dirname(path), `.kept-${name}`));
    writer.mill();
    const second = await readSome(path, size(0, 4), { ...pin, restored: first.restored });
    const [compressed] = pinned();
    const plain = compressed.replace(/\.gz$/, "");
    fs.renameSync(join(dirname(path), `.kept-${plain}`), join(spool, plain));
    const { text } = await readOnce(path, second.at, { restored: second.restored, ...pin });
    expect(text).toBe(lines(4, 30));
    expect(pinned().filter((name) => name.startsWith(plain))).toHaveLength(1);
  });

  it("are found again though the state was lost", async () => {
    const { path, writer } = setUp();
    const backups = writeThree(writer);
    await readSome(path, size(0, 4));
    for (const backup of backups) writer.delete(backup);
    expect((await readOnce(path, { at: "beginning" }, pin)).text).toBe(lines(0, 30));
  });

  it("are found again though they are newer than the state that was written", async () => {
    const { path, writer } = setUp();
    writer.write(lines(0, 10));
    const { at, restored } = await readSome(path, size(0, 4));
    const first = writer.rotate();
    writer.write(lines(10, 20));
    const later = await openSource(path, { ...pin, restored });
    const second = writer.rotate();
    writer.write(lines(20, 30));
    await vi.waitUntil(() => later.source.lag(undefined).bytes === size(0, 30), patience);
    await later.source.close();
    writer.rotate();
    for (const backup of [first, second, ...writer.backups()]) writer.delete(backup);
    writer.write(lines(30, 31));
    const { text, recorded } = await readOnce(path, at, { restored, ...pin });
    expect(text).toBe(lines(4, 31));
    expect(recorded.losses).toEqual([]);
  });

  it("are those with the inode that was looked at, not what has its name by now", async () => {
    const { path, writer, pinned } = setUp();
    writer.write(lines(0, 10));
    const backup = writer.rotate();
    writer.write(lines(20, 30));
    const link = fs.linkSync;
    fs.linkSync = (from, to) => {
      if (String(from).endsWith(backup)) {
        fs.writeFileSync(`${from}.new`, "another\n");
        fs.renameSync(`${from}.new`, from);
      }
      link(from, to);
    };
    try {
      await openSource(path, pin);
    } finally {
      fs.linkSync = link;
    }
    expect(pinned()).toHaveLength(1);
  });

  it("are none by default", async () => {
    const { path, writer, spool } = setUp();
    writeThree(writer);
    expect((await readOnce(path)).text).toBe(lines(0, 30));
    expect(fs.existsSync(spool)).toBe(false);
  });
});

describe("pinning", () => {
  const elsewhere = "/dev/shm";
  const hasOther = fs.existsSync(elsewhere) && fs.statSync(elsewhere).dev !== fs.statSync(os.tmpdir()).dev;

  it.skipIf(!hasOther)("is refused on another file system", async () => {
    const { path, writer } = setUp();
    writeThree(writer);
    const pinDirectory = fs.mkdtempSync(join(elsewhere, "auditship-"));
    try {
      await expect(openSource(path, { ...pin, pinDirectory })).rejects.toMatchObject({
        code: "AUDITSHIP_SOURCE_PIN",
        message: expect.stringMatching(/another file system.*pinDirectory/),
      });
    } finally {
      fs.rmSync(pinDirectory, { recursive: true });
    }
  });

  it("is refused across two mounts of one file system, which only link(2) tells apart", async () => {
    const { path, writer } = setUp();
    writeThree(writer);
    const link = fs.linkSync;
    fs.linkSync = () => {
      throw Object.assign(new Error("EXDEV: cross-device link not permitted"), { code: "EXDEV" });
    };
    try {
      await expect(openSource(path, pin)).rejects.toMatchObject({
        code: "AUDITSHIP_SOURCE_PIN",
        message: expect.stringContaining("another mount"),
      });
    } finally {
      fs.linkSync = link;
    }
  });

  it("is refused where the directory cannot be made", async () => {
    const { path, writer } = setUp();
    writeThree(writer);
    await expect(openSource(path, { ...pin, pinDirectory: join(path, "below-a-file") })).rejects.toMatchObject({
      code: "AUDITSHIP_SOURCE_PIN",
    });
  });

  it("that fails for a while is said, tried again, and holds nothing up", async () => {
    const { path, writer, pinned } = setUp();
    writeThree(writer);
    const link = fs.linkSync;
    fs.linkSync = () => {
      throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    };
    const { source, recorded } = await openSource(path, pin);
    fs.linkSync = link;
    const reader = await source.reader({ at: "beginning" });
    expect(await readAll(reader, size(0, 30))).toBe(lines(0, 30));
    expect(recorded.log).toMatchObject([{ level: "warn", kind: "pin" }]);
    writer.rotate();
    writer.write(lines(30, 31));
    await readAll(reader, size(30, 31));
    expect(pinned()).toHaveLength(4);
  });
});
