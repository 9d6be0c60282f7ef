import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { simulate } from "../../src/simulate/index.js";
import { RotatingLog } from "../../src/simulate/rotating-log.js";

const BACKUP = /^audit-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log$/;

describe("the simulated log", () => {
  let root: string;
  let directory: string;
  let path: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "auditship-simulate-"));
    directory = join(root, "audit");
    path = join(directory, "audit.log");
  });
  afterEach(() => rm(root, { recursive: true }));

  const lines = async (file: string) => (await readFile(join(directory, file), "utf8")).split("\n").slice(0, -1);

  it("is written by the numbers that it reports, readable for its owner only", async () => {
    const result = await simulate({ path, events: 120, rate: 5000, seed: 1 });
    const text = await readFile(path);
    expect(result).toEqual({ events: 120, bytes: text.length, files: 1 });
    expect((await lines("audit.log")).map((line) => JSON.parse(line).kind)).toEqual(Array(120).fill("Event"));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });

  it("never lets a file exceed maxSize, and keeps maxBackups backups under lumberjack's names", async () => {
    const result = await simulate({ path, events: 400, rate: 2000, seed: 2, maxSize: 200_000, maxBackups: 2 });
    const files = (await readdir(directory)).sort();
    expect(result.files).toBeGreaterThan(4);
    expect(files.filter((name) => BACKUP.test(name))).toHaveLength(2);
    expect(files).toHaveLength(3);
    for (const name of files) expect((await stat(join(directory, name))).size).toBeLessThanOrEqual(200_000);
  });

  it("gzips backups in place when told to, without losing a line", async () => {
    const result = await simulate({
      path,
      events: 400,
      rate: 1000,
      seed: 3,
      maxSize: 300_000,
      maxBackups: 0,
      compress: true,
    });
    const files = await readdir(directory);
    const zipped = files.filter((name) => name.endsWith(".gz"));
    expect(zipped).toHaveLength(files.length - 1);
    let events = (await lines("audit.log")).length;
    for (const name of zipped) {
      expect(name.slice(0, -3)).toMatch(BACKUP);
      expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
      events +=
        gunzipSync(await readFile(join(directory, name)))
          .toString()
          .split("\n").length - 1;
    }
    expect(events).toBe(result.events);
  });

  it("continues the file that an earlier run left", async () => {
    await simulate({ path, events: 10, rate: 1000, seed: 4 });
    await simulate({ path, events: 5, rate: 1000, seed: 5 });
    expect(await readdir(directory)).toEqual(["audit.log"]);
    expect(await lines("audit.log")).toHaveLength(15);
  });

  it("rotates a left file first when the next event does not fit", async () => {
    const log = new RotatingLog({ path, maxSize: 10, maxBackups: 5, compress: false });
    expect(log.write(Buffer.from("12345678\n"))).toBe(true);
    await log.close();
    const next = new RotatingLog({ path, maxSize: 10, maxBackups: 5, compress: false });
    expect(next.write(Buffer.from("ab\n"))).toBe(true);
    await next.close();
    expect(await lines("audit.log")).toEqual(["ab"]);
    const [backup] = (await readdir(directory)).filter((name) => BACKUP.test(name));
    expect(await lines(backup)).toEqual(["12345678"]);
  });

  it("refuses a line that is longer than a file may be", async () => {
    const log = new RotatingLog({ path, maxSize: 4, maxBackups: 5, compress: false });
    expect(log.write(Buffer.from("12345\n"))).toBe(false);
    await log.close();
  });

  it("leaves files alone that only look like backups", async () => {
    const log = new RotatingLog({ path, maxSize: 4, maxBackups: 1, compress: true });
    log.write(Buffer.from("1\n"));
    await writeFile(join(directory, "audit-notes.log"), "mine");
    for (const text of ["22\n", "33\n", "44\n"]) log.write(Buffer.from(text));
    await log.close();
    expect(await readFile(join(directory, "audit-notes.log"), "utf8")).toBe("mine");
  });

  it("ends on its signal", async () => {
    const controller = new AbortController();
    const running = simulate({ path, rate: 100, signal: controller.signal });
    controller.abort();
    expect((await running).events).toBeLessThan(100);
  });
});
