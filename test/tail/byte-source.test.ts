import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ByteSource, ReplacedError } from "../../src/tail/byte-source.js";
import { Descriptor } from "../../src/tail/descriptor.js";
import { firstLine } from "../../src/tail/fingerprint.js";
import { GzipSource, gzipFirstLine, gzipSize } from "../../src/tail/gzip.js";
import { PlainSource, plainRead } from "../../src/tail/plain.js";
import { TailFileSource } from "../support/tail-file-source.js";
import { lines, tempDirectory } from "./harness.js";

const open = (path: string) => new Descriptor(path);

function plain(bytes: Buffer): ByteSource {
  const path = join(tempDirectory(), "file");
  fs.writeFileSync(path, bytes);
  const descriptor = open(path);
  return new PlainSource(descriptor, firstLine(plainRead(descriptor), true)!);
}

function gzip(bytes: Buffer): ByteSource {
  return zipped(gzipSync(bytes));
}

/** As pigz or `cat a.gz b.gz` make them. */
function gzipMembers(bytes: Buffer): ByteSource {
  const third = Math.ceil(bytes.length / 3);
  return zipped(Buffer.concat([0, 1, 2].map((i) => gzipSync(bytes.subarray(i * third, (i + 1) * third)))));
}

function zipped(compressed: Buffer): ByteSource {
  const path = join(tempDirectory(), "file.gz");
  fs.writeFileSync(path, compressed);
  return new GzipSource(open(path));
}

/** Bytes that do not compress well, so that a file takes many steps. */
function noise(length: number): Buffer {
  let state = 12345;
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = i % 100 === 99 ? 10 : 32 + ((state >>> 16) % 90);
  }
  return bytes;
}

/** The library's reader on the descriptor that we hold. */
function tailFile(bytes: Buffer): ByteSource {
  const path = join(tempDirectory(), "file");
  fs.writeFileSync(path, bytes);
  const descriptor = open(path);
  return new TailFileSource(descriptor, firstLine(plainRead(descriptor), true)!, 1);
}

describe.each([
  ["a plain file", plain],
  ["a plain file by @logdna/tail-file", tailFile],
  ["a gzip file", gzip],
  ["a gzip file of several members", gzipMembers],
])("%s", (_name, make) => {
  it("gives the bytes at any offset, in any order", async () => {
    const content = noise(300_000);
    const source = make(content);
    const ask = fc.array(fc.tuple(fc.nat(310_000), fc.integer({ min: 1, max: 70_000 })), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(ask, async (asked) => {
        for (const [at, length] of asked) {
          const into = Buffer.alloc(length);
          const count = await source.read(into, at);
          expect(into.subarray(0, count).equals(content.subarray(at, at + length))).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
    source.close();
  });

  it("gives less than was asked for only at its end, and nothing beyond", async () => {
    const content = noise(100_000);
    const source = make(content);
    expect(await source.read(Buffer.alloc(100_000), 0)).toBe(100_000);
    expect(await source.read(Buffer.alloc(100_001), 0)).toBe(100_000);
    expect(await source.read(Buffer.alloc(10), 100_000)).toBe(0);
    expect(await source.read(Buffer.alloc(10), 200_000)).toBe(0);
    expect(source.size()).toBe(100_000);
    expect(source.damage).toBeUndefined();
    source.close();
  });
});

describe.each([
  ["a plain file", PlainSource],
  ["a plain file by @logdna/tail-file", TailFileSource],
])("%s", (_name, Source) => {
  it("grows and keeps its bytes when its name is gone", async () => {
    const path = join(tempDirectory(), "file");
    fs.writeFileSync(path, lines(0, 2));
    const descriptor = open(path);
    const source: ByteSource = new Source(descriptor, firstLine(plainRead(descriptor), false)!);
    fs.appendFileSync(path, lines(2, 4));
    fs.unlinkSync(path);
    const into = Buffer.alloc(10_000);
    expect(into.toString("utf8", 0, await source.read(into, 0))).toBe(lines(0, 4));
    source.close();
    expect(descriptor.open).toBe(false);
  });

  it("refuses to give bytes once it was truncated and written anew", async () => {
    const path = join(tempDirectory(), "file");
    fs.writeFileSync(path, lines(0, 2));
    const descriptor = open(path);
    const source: ByteSource = new Source(descriptor, firstLine(plainRead(descriptor), false)!);
    fs.writeFileSync(path, lines(100, 110));
    await expect(async () => source.read(Buffer.alloc(1000), 100)).rejects.toThrow(ReplacedError);
    fs.truncateSync(path);
    await expect(async () => source.read(Buffer.alloc(1000), 100)).rejects.toThrow(ReplacedError);
    source.close();
  });
});

describe("a damaged gzip file", () => {
  const content = noise(400_000);
  const whole = gzipSync(content);

  async function readDamaged(compressed: Buffer): Promise<{ bytes: Buffer; damage: string | undefined }> {
    const source = zipped(compressed);
    const into = Buffer.alloc(1_000_000);
    const count = await source.read(into, 0);
    source.close();
    return { bytes: into.subarray(0, count), damage: source.damage };
  }

  it("gives all that comes before its premature end", async () => {
    const { bytes, damage } = await readDamaged(whole.subarray(0, whole.length >> 1));
    expect(bytes.length).toBeGreaterThan(150_000);
    expect(bytes.equals(content.subarray(0, bytes.length))).toBe(true);
    expect(damage).toMatch(/end of file/);
  });

  it("gives all members before an invalid one", async () => {
    const { bytes, damage } = await readDamaged(Buffer.concat([whole, Buffer.from("this is no gzip member")]));
    expect(bytes.equals(content)).toBe(true);
    expect(damage).toBeDefined();
  });

  it("gives what comes before wrong bytes", async () => {
    const wrong = Buffer.from(whole);
    wrong.fill(0xff, whole.length >> 1);
    const { bytes, damage } = await readDamaged(wrong);
    expect(bytes.length).toBeGreaterThan(150_000);
    // The format has a checksum only at the end: some wrong bytes decode to something.
    expect(bytes.subarray(0, 150_000).equals(content.subarray(0, 150_000))).toBe(true);
    expect(damage).toBeDefined();
  });

  it("is whole if NULs are padded to it", async () => {
    const { bytes, damage } = await readDamaged(Buffer.concat([whole, Buffer.alloc(70_000)]));
    expect(bytes.equals(content)).toBe(true);
    expect(damage).toBeUndefined();
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["something else", Buffer.from("hello\n")],
  ])("gives nothing if there is %s in it", async (_what, compressed) => {
    const { bytes } = await readDamaged(compressed);
    expect(bytes.length).toBe(0);
  });
});

describe("the first line of a gzip file", () => {
  it.each([
    ["where little compressed holds much", "x".repeat(500_000), "next\n"],
    ["that takes more compressed bytes than are tried at first", randomBytes(300_000).toString("base64"), "next\n"],
    ["before more than is held in memory", randomBytes(60_000).toString("hex"), "y".repeat(100 << 20)],
    ["of many MiB", "z".repeat(40 << 20), "next\n"],
    ["that is all there is", randomBytes(30_000).toString("hex"), ""],
  ])("is that of the plain one: one %s", async (_, first, rest) => {
    const path = join(tempDirectory(), "file.gz");
    const content = Buffer.from(rest === "" ? first : `${first}\n${rest}`);
    fs.writeFileSync(path, gzipSync(content));
    const descriptor = open(path);
    const fromPlain = firstLine((into, at) => content.copy(into, 0, at), true);
    expect(await gzipFirstLine(descriptor)).toEqual(fromPlain);
    expect(fromPlain?.fingerprint).toBe(createHash("sha256").update(first).digest("hex"));
    expect(gzipSize(descriptor)).toBe(content.length);
    descriptor.release();
  });
});
