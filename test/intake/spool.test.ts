import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, rmdir, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { KNOWN_FOR, sha256 } from "../../src/intake/receipts.js";
import { Spool } from "../../src/intake/spool.js";

let directory: string;
let time: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-spool-"));
  time = Date.UTC(2026, 0, 2);
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
});

/** Opens the spool as after a start. */
async function open(options: { maxBytes?: number; segmentBytes?: number; minFree?: number } = {}): Promise<Spool> {
  const spool = new Spool({ directory, maxBytes: 1e6, segmentBytes: 1e6, minFree: 0, ...options }, () => time);
  await spool.open();
  onTestFinished(() => spool.close());
  return spool;
}

const put = (spool: Spool, text: string) => spool.put(Buffer.from(text), [Buffer.from(`${text}\n`)]);
/** A file without the blank line that it begins with. */
const linesIn = async (name: string) => (await readFile(join(directory, name), "utf8")).replace(/^[ \t]{64}\n/, "");
const active = () => linesIn("audit.log");
const rotated = async () => (await readdir(directory)).filter((name) => /^audit-.*\.log$/.test(name)).sort();

describe("a spool", () => {
  it("keeps lines where others do not see them, in the order in which they came", async () => {
    const spool = await open();
    expect(await Promise.all(["a", "b", "c"].map((text) => put(spool, text)))).toEqual(["stored", "stored", "stored"]);
    expect(await active()).toBe("a\nb\nc\n");
  });

  it("is its owner's alone: the directory, the files that are written to, rotated ones, and what is known of bodies", async () => {
    directory = join(directory, "deep", "spool");
    const spool = await open({ segmentBytes: 2 });
    for (const text of ["a", "b", "c"]) await put(spool, text);
    await spool.close();
    await open();
    const mode = async (path: string) => (await stat(path)).mode & 0o777;
    const names = await readdir(directory);
    expect(names).toEqual(expect.arrayContaining(["audit.log", ...(await rotated())]));
    expect(names.length).toBeGreaterThan(4);
    expect([await mode(join(directory, "..")), await mode(directory)]).toEqual([0o700, 0o700]);
    expect(await Promise.all(names.map((name) => mode(join(directory, name))))).toEqual(names.map(() => 0o600));
  });

  it("stores a body once, also when it comes twice at the same time", async () => {
    const spool = await open();
    expect((await Promise.all([put(spool, "a"), put(spool, "a")])).sort()).toEqual(["repeated", "stored"]);
    expect(await put(spool, "a")).toBe("repeated");
    expect(await active()).toBe("a\n");
  });

  it("knows a body for ten minutes, and no longer", async () => {
    const spool = await open();
    await put(spool, "a");
    time += KNOWN_FOR - 1;
    expect(await put(spool, "a")).toBe("repeated");
    time += 1;
    expect(await put(spool, "a")).toBe("stored");
  });

  it("knows after a crash what it has answered for", async () => {
    await put(await open(), "a");
    // The first one is not closed, as a killed process does not.
    const spool = await open();
    expect(await put(spool, "a")).toBe("repeated");
    expect(await put(spool, "b")).toBe("stored");
    expect(await active()).toBe("a\nb\n");
  });

  it("does not take a receipt for the lines that a power failure took", async () => {
    await put(await open(), "lost");
    await truncate(join(directory, "audit.log"), 0);
    expect(await put(await open(), "lost")).toBe("stored");
    await writeFile(join(directory, "audit.log"), "\0\0\0\0\0");
    expect(await put(await open(), "lost")).toBe("stored");
  });

  it("cuts a torn line off, and reads over a torn receipt", async () => {
    await put(await open(), "a");
    await appendFile(join(directory, "audit.log"), '{"half');
    await appendFile(join(directory, ".receipts"), '{"time":1,"bo');
    const spool = await open();
    expect(await active()).toBe("a\n");
    expect(await put(spool, "a")).toBe("repeated");
    expect(await put(spool, "b")).toBe("stored");
    expect(await put(await open(), "b")).toBe("repeated");
  });

  it("rotates as kube-apiserver does, with names in order though the clock goes back", async () => {
    const spool = await open({ segmentBytes: 2 });
    for (const text of ["a", "b", "c"]) {
      await put(spool, text);
      time -= 1000;
    }
    await spool.close();
    expect(await rotated()).toEqual([
      "audit-2026-01-02T00-00-00.000.log",
      "audit-2026-01-02T00-00-00.001.log",
      "audit-2026-01-02T00-00-00.002.log",
    ]);
    expect(await Promise.all((await rotated()).map(linesIn))).toEqual(["a\n", "b\n", "c\n"]);
  });

  it("knows the bodies of rotated files after a restart, of the newest and of those before it", async () => {
    const before = await open({ segmentBytes: 2 });
    for (const text of ["a", "b", "c"]) await put(before, text);
    await before.close();
    const spool = await open();
    expect(await Promise.all(["a", "b", "c"].map((text) => put(spool, text)))).toEqual(Array(3).fill("repeated"));
  });

  it("knows the bodies of rotated files after a second restart, too, with another file rotated in between", async () => {
    for (const text of ["a", "b"]) await put(await open({ segmentBytes: 2 }), text);
    expect(await put(await open(), "a")).toBe("repeated");
  });

  it("opens with more receipts than a call takes arguments", async () => {
    await put(await open(), "a");
    const receipts = join(directory, ".receipts");
    await writeFile(receipts, (await readFile(receipts, "utf8")).repeat(200_000));
    time += KNOWN_FOR;
    expect(await put(await open(), "a")).toBe("stored");
  });

  it("does not take a receipt for lines that could not be written, also when it could not be forgotten at the next rotation", async () => {
    const spool = await open({ segmentBytes: 70 });
    await put(spool, "a");
    const receipts = join(directory, ".receipts");
    const receipt = JSON.parse(await readFile(receipts, "utf8"));
    const failed = { ...receipt, body: sha256(Buffer.from("lost")), lines: sha256(Buffer.from("lost\n")) };
    await appendFile(receipts, `${JSON.stringify(failed)}\n`);
    await mkdir(`${receipts}.new`);
    for (const text of ["long enough to rotate", "b"]) await put(spool, text);
    expect(await rotated()).toHaveLength(1);
    await rmdir(`${receipts}.new`);
    expect(await put(await open(), "lost")).toBe("stored");
  });

  it("is full at its size, and takes again what fits when files are released", async () => {
    const spool = await open({ segmentBytes: 2, maxBytes: 3 * (65 + 2) });
    for (const text of ["a", "b", "c"]) expect(await put(spool, text)).toBe("stored");
    expect(await put(spool, "d")).toBe("full");
    const [first] = await rotated();
    await spool.release([first]);
    expect(await put(spool, "d")).toBe("stored");
    expect(await rotated()).not.toContain(first);
  });

  it("has room again when all is read, whatever came at once", async () => {
    const spool = await open({ segmentBytes: 100, maxBytes: 800 });
    const bodies = Array.from({ length: 70 }, (_, n) => put(spool, `${n}`.padStart(12)));
    expect(await Promise.all(bodies)).toContain("full");
    await spool.release(await rotated());
    expect(await put(spool, "x".repeat(199))).toBe("stored");
  });

  it("begins nothing that would fill the disk: lines of a body that could not be written whole would come again", async () => {
    const spool = await open({ minFree: Number.MAX_SAFE_INTEGER });
    await expect(put(spool, "a")).rejects.toThrow(/MiB are free for the spool .* are needed$/);
    expect(await readFile(join(directory, "audit.log"), "utf8")).toBe("");
    expect(await put(await open(), "a")).toBe("stored");
  });

  it("never releases the newest rotated file, nor anything that is not its own", async () => {
    const spool = await open({ segmentBytes: 2 });
    await put(spool, "a");
    await put(spool, "b");
    await writeFile(join(directory, "other"), "");
    await spool.release([...(await rotated()), "other", "audit.log"]);
    expect(await rotated()).toHaveLength(1);
    expect(await readdir(directory)).toEqual(expect.arrayContaining(["other", "audit.log"]));
  });

  it("forgets old receipts on disk when it rotates", async () => {
    const spool = await open({ segmentBytes: 4 });
    await put(spool, "a");
    time += KNOWN_FOR;
    await put(spool, "b");
    await spool.close();
    expect((await readFile(join(directory, ".receipts"), "utf8")).trim().split("\n")).toHaveLength(1);
  });
});
