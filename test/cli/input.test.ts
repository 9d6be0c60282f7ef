import { execFileSync } from "node:child_process";
import { mkdtemp, open, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type InvalidInput, readInput } from "../../src/commands/input.js";
import { type InputFile, inputFiles } from "../../src/commands/input-files.js";
import { Field } from "../../src/plugin/index.js";
import { Program } from "./fixture.js";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-input-"));
});

afterEach(() => rm(directory, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

const read = (...names: string[]) => readAll(names.map((name) => ({ name })));

async function readAll(files: InputFile[]): Promise<{ ids: (string | undefined)[]; invalid: string[] }> {
  const ids: (string | undefined)[] = [];
  const invalid: InvalidInput[] = [];
  for await (const batch of readInput(files, (line) => invalid.push(line))) {
    for (let row = 0; row < batch.count; row++) {
      if (!batch.invalid(row)) ids.push(batch.at(row).text(Field.auditID));
    }
  }
  return {
    ids,
    invalid: invalid.map(({ file, line, reason }) => `${file.slice(directory.length + 1)}:${line} ${reason}`),
  };
}

const event = (id: string | number, padding = "") =>
  `{"kind":"Event","auditID":"${id}","verb":"get","x":"${padding}"}\n`;

describe("files given by hand", () => {
  it("are read one after the other, plain or gzip, in several members, whatever they are called", async () => {
    const plain = await file("a.gz", event(1) + event(2));
    const zipped = await file("b.log", Buffer.concat([gzipSync(event(3)), gzipSync(event(4))]));
    expect((await read(plain, zipped)).ids).toEqual(["1", "2", "3", "4"]);
  });

  it("may lack the newline at their end, or be empty", async () => {
    expect((await read(await file("a", event(1).trim()), await file("b", ""), await file("c", event(2)))).ids).toEqual([
      "1",
      "2",
    ]);
  });

  it("may hold an EventList or an array on a line", async () => {
    const list = `{"kind":"EventList","items":[${event(1).trim()},${event(2).trim()}]}\n[${event(3).trim()}]\n`;
    expect((await read(await file("a", list))).ids).toEqual(["1", "2", "3"]);
  });

  it("are read whole when they are larger than a batch has rows or bytes", async () => {
    const lines = Array.from({ length: 30_000 }, (_, i) => event(i, "y".repeat(100))).join("");
    const { ids } = await read(await file("a", lines));
    expect(ids).toHaveLength(30_000);
    expect(ids.at(-1)).toBe("29999");
  });

  it("have their invalid lines named by file and line, blank lines counted in", async () => {
    const text = `${event(1)}\n\nnonsense\n${event(2)}[1]\n"text"\n{"a":\n${event(3)}`;
    const { ids, invalid } = await read(await file("a", event(0)), await file("b", text));
    expect(ids).toEqual(["0", "1", "2", "3"]);
    expect(invalid).toEqual(["b:4 syntax", "b:6 not-an-object", "b:7 not-an-object", "b:8 syntax"]);
  });

  it("count lines also beyond the first batch", async () => {
    const lines = Array.from({ length: 9000 }, (_, i) => (i === 8000 ? "x\n" : event(i))).join("");
    expect((await read(await file("a", lines))).invalid).toEqual(["a:8001 syntax"]);
  });

  it("may hold an event that is longer than any that is taken whole: it is read without its body", async () => {
    const long = `{"auditID":"long","requestObject":{"a":"${"z".repeat(25 * 1024 * 1024)}"}}\n`;
    const { ids, invalid } = await read(await file("a", event(1) + long + event(2)));
    expect(ids).toEqual(["1", "long", "2"]);
    expect(invalid).toEqual([]);
  });

  it("may hold a line that is longer than any that is taken, and no event: it is invalid, the others are read", async () => {
    const long = `{"auditID":"${"z".repeat(25 * 1024 * 1024)}"\n`;
    const { ids, invalid } = await read(await file("a", event(1) + long + event(2)));
    expect(ids).toEqual(["1", "2"]);
    expect(invalid).toEqual(["a:2 too-long"]);
    expect((await read(await file("b", event(1) + long.trim()))).invalid).toEqual(["b:2 too-long"]);
  });

  it("that cannot be read are named", async () => {
    await expect(read(join(directory, "missing"))).rejects.toMatchObject({
      code: "AUDITSHIP_INPUT",
      message: "cannot be read: there is no such file.",
    });
    await expect(read(directory)).rejects.toMatchObject({ message: "cannot be read: it is a directory." });
    const cut = gzipSync(event(1).repeat(1000));
    await expect(read(await file("cut", cut.subarray(0, cut.length - 20)))).rejects.toMatchObject({
      code: "AUDITSHIP_INPUT",
    });
  });
});

describe("files of a directory", () => {
  it("are those that were there, though they are rotated, compressed and deleted before their turn comes", async () => {
    const oldest = await file("audit-2026-11-20T10-00-00.000.log.gz", gzipSync(event(1)));
    const backup = await file("audit-2026-11-20T11-00-00.000.log", event(2));
    const active = await file("audit.log", event(3));
    const files = await inputFiles([directory]);
    await unlink(oldest);
    await file("audit-2026-11-20T11-00-00.000.log.gz", gzipSync(event(2)));
    await unlink(backup);
    await rename(active, join(directory, "audit-2026-11-20T12-00-00.000.log"));
    await file("audit.log", event(4));
    expect((await readAll(files)).ids).toEqual(["1", "2", "3"]);
  });

  it("are open only as far as they are the newest 1,000: so many descriptors are there everywhere", async () => {
    const name = (n: number) => `audit-2026-11-20T10-00-${String(n).padStart(6, "0")}.log`;
    await Promise.all(Array.from({ length: 1010 }, (_, n) => file(name(n), n % 500 === 0 ? event(n) : "")));
    const files = await inputFiles([directory]);
    expect(files.map(({ descriptor }) => descriptor !== undefined).lastIndexOf(false)).toBe(9);
    expect((await readAll(files)).ids).toEqual(["0", "500", "1000"]);
  });

  it("are no pipes, which would be waited for, and no links that lead nowhere", async () => {
    await file("a.log", event(1));
    execFileSync("mkfifo", [join(directory, "b.log")]);
    expect((await readAll(await inputFiles([directory]))).ids).toEqual(["1"]);
    await symlink("nowhere", join(directory, "c.log"));
    await expect(inputFiles([directory])).rejects.toMatchObject({ message: "cannot be read: there is no such file." });
  });
});

describe("standard input", () => {
  it.each([
    ["match", "--rules", "rules", "-"],
    ["eval", "--dialect", "falco"],
  ])("that is a directory, or may not be read, ends %s with 2", async (...args) => {
    await writeFile(join(directory, "rules"), RULE);
    for (const [name, flags, said] of [
      [directory, "r", "it is a directory"],
      [join(directory, "written"), "w", "EBADF"],
    ]) {
      const given = await open(name, flags);
      const program = new Program(args, directory, {}, undefined, { stdio: [given.fd, "pipe", "pipe"] });
      expect(await program.exited).toBe(2);
      expect(program.err).toMatch(new RegExp(`^auditship: -: cannot be read: ${said}.*\\(AUDITSHIP_INPUT\\)\n$`));
      await given.close();
    }
  });
});

const RULE = "- { rule: a, desc: a, condition: ka.verb=get, output: a, priority: WARNING, source: k8s_audit }\n";
