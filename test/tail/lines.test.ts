import { createHash } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Chunk, Position, Reader } from "../../src/plugin/index.js";
import { line, lines, openSource, readOnce, tempDirectory, textOf } from "./harness.js";

const BACKUP = "audit-2026-11-20T09-38-24.123.log";

/** A log of one backup and an active file. */
function logOf(backup: string | Buffer, active: string | Buffer, compressed = false): string {
  const directory = tempDirectory();
  if (compressed) fs.writeFileSync(join(directory, `${BACKUP}.gz`), gzipSync(backup));
  else fs.writeFileSync(join(directory, BACKUP), backup);
  fs.writeFileSync(join(directory, "audit.log"), active);
  return join(directory, "audit.log");
}

async function open(path: string, maxLine = 1 << 20): Promise<Reader> {
  const { source } = await openSource(path, { once: true, maxLine });
  return source.reader({ at: "beginning" });
}

interface Piece {
  text: string;
  ordinal: number;
  offset: number;
}

async function pieces(reader: Reader, size: number, limit?: Position): Promise<Piece[]> {
  const found: Piece[] = [];
  const into = Buffer.alloc(size);
  for (;;) {
    const chunk = await reader.next(into, { limit });
    if (!chunk) return found;
    found.push({ text: textOf(chunk)!, ordinal: chunk.file.ordinal, offset: chunk.offset });
  }
}

describe("lines", () => {
  it("come whole and byte-identical whatever the size of the buffer, plain and compressed", async () => {
    const text = fc.string({ unit: fc.constantFrom("a", '"', "é", "日", "🦀", "\r", "\t"), maxLength: 40 });
    const file = fc.array(text, { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(file, file, fc.integer({ min: 1, max: 64 }), fc.boolean(), async (a, b, size, compressed) => {
        const [backup, active] = [`first${a.join("\n")}\n`, `second${b.join("\n")}\n`];
        const reader = await open(logOf(backup, active, compressed));
        const found = await pieces(reader, size);
        expect(found.map((piece) => piece.text).join("")).toBe(backup + active);
        for (const { text, ordinal, offset } of found) {
          const from = Buffer.from(ordinal === found[0].ordinal ? backup : active);
          expect(text.endsWith("\n")).toBe(true);
          expect(from.toString("utf8", offset, offset + Buffer.byteLength(text))).toBe(text);
        }
        await reader.close();
      }),
      { numRuns: 60 },
    );
  });

  it("are waited for at the end of the active file, but not at the end of a rotated one", async () => {
    const path = logOf(`${lines(0, 2)}half a li`, `${line(2)}another ha`);
    const { text, reader } = await readOnce(path);
    expect(text).toBe(`${lines(0, 2)}half a li${line(2)}`);
    expect(reader.position()?.offset).toBe(line(2).length);
    fs.appendFileSync(path, "lf\n");
    expect(textOf(await reader.next(Buffer.alloc(100)))).toBe("another half\n");
  });

  it("larger than the buffer come in the source's own", async () => {
    const large = `${"日".repeat(100_000)}\n`;
    const reader = await open(logOf(line(0) + large + line(1), line(2)));
    const into = Buffer.alloc(500);
    expect(textOf(await reader.next(into))).toBe(line(0));
    const chunk = (await reader.next(into)) as Chunk;
    expect(textOf(chunk)).toBe(large);
    expect(chunk.bytes).not.toBe(into);
    expect(chunk.offset).toBe(line(0).length);
    expect((await pieces(reader, 500)).map((piece) => piece.text).join("")).toBe(line(1) + line(2));
  });

  it.each([false, true])(
    "longer than maxLine are told by place, length and hash (compressed: %s)",
    async (compressed) => {
      const fits = "x".repeat(100_000);
      const long = "y".repeat(100_001);
      const longer = `${"z".repeat(5_000_000)}ü`;
      const reader = await open(logOf(`${fits}\n${long}\n${longer}\n${line(1)}`, line(2), compressed), 100_000);
      const into = Buffer.alloc(1000);
      expect(textOf(await reader.next(into))).toBe(`${fits}\n`);
      for (const [oversized, offset] of [
        [long, 100_001],
        [longer, 200_003],
      ] as const) {
        const bytes = Buffer.from(oversized);
        expect(await reader.next(into)).toMatchObject({
          length: 0,
          offset,
          oversized: {
            length: bytes.length,
            skipped: bytes.length + 1,
            sha256: createHash("sha256").update(bytes).digest("hex"),
          },
        });
      }
      expect((await pieces(reader, 1000)).map((piece) => piece.text).join("")).toBe(line(1) + line(2));
    },
  );

  it.each([false, true])("longer than maxLine are events without their bodies (compressed: %s)", async (compressed) => {
    const body = `{"data":"${"x".repeat(400_000)}","kind":"Event","apiVersion":"v1"}`;
    const long = line(1).replace('"pad":""', `"requestObject":${body}`);
    const reader = await open(logOf(line(0) + long + line(2), line(3), compressed), 100_000);
    const into = Buffer.alloc(1000);
    expect(textOf(await reader.next(into))).toBe(line(0));
    const chunk = (await reader.next(into))!;
    expect(textOf(chunk)).toBe(line(1).replace(',"pad":""', ""));
    expect(chunk).toMatchObject({
      offset: line(0).length,
      oversized: {
        length: long.length - 1,
        skipped: long.length,
        sha256: createHash("sha256").update(long.slice(0, -1)).digest("hex"),
        dropped: ["requestObject"],
      },
    });
    expect((await pieces(reader, 1000)).map((piece) => piece.text).join("")).toBe(line(2) + line(3));
  });

  it("longer than maxLine that are torn are a remainder and a whole event", async () => {
    const half = line(1)
      .replace('"pad":""', `"requestObject":{"data":"${"x".repeat(400_000)}`)
      .slice(0, 400_050);
    const reader = await open(logOf(line(0) + half + line(2), line(3)), 100_000);
    const into = Buffer.alloc(1000);
    expect(textOf(await reader.next(into))).toBe(line(0));
    const torn = await reader.next(into);
    expect(torn).toMatchObject({
      length: 0,
      offset: line(0).length,
      oversized: {
        torn: true,
        length: half.length,
        skipped: half.length,
        sha256: createHash("sha256").update(half).digest("hex"),
      },
    });
    const whole = await reader.next(into);
    expect(textOf(whole)).toBe(line(2));
    expect(whole).toMatchObject({ salvaged: true, offset: line(0).length + half.length });
    expect(await reader.next(into)).not.toHaveProperty("salvaged");
  });

  it("that are cut off by a hole end there, and what follows the hole is read", async () => {
    for (const [hole, maxLine] of [
      [5_000_000, 1 << 20],
      [5_000_000, 100_000],
      [70_000, 100_000],
    ]) {
      const half = line(1).slice(0, 80);
      const content = Buffer.concat([Buffer.from(line(0) + half), Buffer.alloc(hole), Buffer.from(lines(2, 4))]);
      const reader = await open(logOf(content, line(4)), maxLine);
      const found = (await pieces(reader, 8192)).map((piece) => piece.text).join("");
      expect(found).toBe(line(0) + half + lines(2, 5));
    }
  });

  it("longer than maxLine at the end of a rotated file need no newline", async () => {
    const reader = await open(logOf("y".repeat(3000), line(2)), 1000);
    const chunk = await reader.next(Buffer.alloc(100));
    expect(chunk?.oversized).toMatchObject({ length: 3000, skipped: 3000 });
    expect(textOf(await reader.next(Buffer.alloc(1000)))).toBe(line(2));
  });

  it("of any length survive any buffer and any maxLine", async () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(lengths, fc.integer({ min: 1, max: 80 }), fc.nat(250), async (sizes, size, maxLine) => {
        const written = sizes.map((length, i) => `${String.fromCharCode(97 + i)}`.repeat(length + 1));
        const reader = await open(logOf(`${written.join("\n")}\n`, line(2)), maxLine);
        const got: string[] = [];
        for (;;) {
          const chunk = await reader.next(Buffer.alloc(size));
          if (!chunk || chunk.file.time === 1_800_000_000_002) break;
          if (chunk.oversized) got.push(`${chunk.oversized.length} ${chunk.oversized.sha256}\n`);
          else got.push(textOf(chunk)!);
        }
        const expected = written.map((text) => {
          // The buffer takes a line that fits into it whole, whatever maxLine says.
          const whole = text.length <= maxLine || text.length < size;
          return whole ? text : `${text.length} ${createHash("sha256").update(text).digest("hex")}`;
        });
        expect(got.join("")).toBe(`${expected.join("\n")}\n`);
        await reader.close();
      }),
      { numRuns: 60 },
    );
  });
});

describe("unread", () => {
  it("gives the last bytes again", async () => {
    const reader = await open(logOf(lines(0, 4), lines(4, 6), true));
    const chunk = await reader.next(Buffer.alloc(10_000));
    expect(textOf(chunk)).toBe(lines(0, 4));
    reader.unread(lines(2, 4).length);
    expect(reader.position()?.offset).toBe(lines(0, 2).length);
    expect(textOf(await reader.next(Buffer.alloc(10_000)))).toBe(lines(2, 4));
    expect(textOf(await reader.next(Buffer.alloc(10_000)))).toBe(lines(4, 6));
    expect(await reader.next(Buffer.alloc(10_000))).toBeUndefined();
    expect(reader.atEnd()).toBe(true);
    reader.unread(lines(4, 6).length);
    expect(reader.atEnd()).toBe(false);
    expect(textOf(await reader.next(Buffer.alloc(10_000)))).toBe(lines(4, 6));
  });
});

describe("a limit", () => {
  it.each([false, true])("is never passed and always reached exactly (compressed: %s)", async (compressed) => {
    const path = logOf(lines(0, 10), lines(10, 20), compressed);
    const { source } = await openSource(path, { once: true });
    const places = [];
    const scout = await source.reader({ at: "beginning" });
    for (let chunk = await scout.next(Buffer.alloc(300)); chunk; chunk = await scout.next(Buffer.alloc(300))) {
      places.push(scout.position()!);
    }
    expect(places).toHaveLength(20);
    for (const [i, limit] of places.entries()) {
      const reader = await source.reader({ at: "beginning" });
      const found = await pieces(reader, 777, limit);
      expect(found.map((piece) => piece.text).join("")).toBe(lines(0, i + 1));
      expect(reader.position()).toEqual(limit);
      expect(await reader.next(Buffer.alloc(777), { limit })).toBeUndefined();
      expect((await pieces(reader, 777)).map((piece) => piece.text).join("")).toBe(lines(i + 1, 20));
      await reader.close();
    }
  });

  it("at the beginning of the next file is reached at the end of the one before", async () => {
    const { source } = await openSource(logOf(lines(0, 2), lines(2, 4)), { once: true });
    const scout = await source.reader({ at: "beginning" });
    await scout.next(Buffer.alloc(10_000));
    const second = await scout.next(Buffer.alloc(10_000));
    const reader = await source.reader({ at: "beginning" });
    const limit = { file: second!.file, offset: 0 };
    expect((await pieces(reader, 10_000, limit)).map((piece) => piece.text)).toEqual([lines(0, 2)]);
    expect(reader.position()).toEqual(limit);
  });
});

describe("two readers of one source", () => {
  it("see the same file under the same reference", async () => {
    const { source } = await openSource(logOf(lines(0, 2), lines(2, 4)), { once: true });
    const [a, b] = [await source.reader({ at: "beginning" }), await source.reader({ at: "beginning" })];
    for (let i = 0; i < 2; i++) {
      const [one, other] = [await a.next(Buffer.alloc(10_000)), await b.next(Buffer.alloc(10_000))];
      expect(one!.file).toBe(other!.file);
      expect(one!.file.id).toBe(Buffer.from(one!.file.fingerprint, "hex").subarray(0, 12).toString("base64url"));
      const first = line(i * 2).slice(0, -1);
      expect(one!.file.fingerprint).toBe(createHash("sha256").update(first).digest("hex"));
      expect(one!.file.time).toBe(1_800_000_000_000 + i * 2);
    }
  });

  it("stop waiting on a signal and on close", async () => {
    const { source } = await openSource(logOf(lines(0, 2), lines(2, 4)));
    const [a, b, c] = await Promise.all([1, 2, 3].map(() => source.reader({ at: "end" })));
    const stop = new AbortController();
    const waiting = [
      a.next(Buffer.alloc(10), { signal: stop.signal }),
      b.next(Buffer.alloc(10)),
      c.next(Buffer.alloc(10)),
    ];
    stop.abort();
    expect(await waiting[0]).toBeUndefined();
    await b.close();
    expect(await waiting[1]).toBeUndefined();
    await source.close();
    expect(await waiting[2]).toBeUndefined();
  });

  it("stop waiting on a close that comes while other work has its turn", async () => {
    const { source } = await openSource(logOf(lines(0, 2), lines(2, 4)));
    const reader = await source.reader({ at: "end" });
    // Its turn is over.
    const clock = vi.spyOn(performance, "now").mockReturnValue(performance.now() + 1000);
    onTestFinished(() => clock.mockRestore());
    const waiting = reader.next(Buffer.alloc(10));
    await reader.close();
    expect(await waiting).toBeUndefined();
  });
});
