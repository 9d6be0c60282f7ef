import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventBatch, MAX_ITEMS } from "../../src/event/index.js";
import { Field, Flag, ROW_WORDS, Row } from "../../src/plugin/index.js";
import { documentOf, FILE, hasSamples, load, ORIGIN, rowsOf, sample } from "./support.js";

const word = (batch: EventBatch, row: number, at: Row) => batch.table[row * ROW_WORDS + at];
const verbs = (batch: EventBatch) => Array.from({ length: batch.count }, (_, row) => batch.at(row).text(Field.verb));
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe("lines", () => {
  it("become a row each, with their places", () => {
    const batch = load('{"verb":"get"}\n {"verb":"list"} \n');
    expect(verbs(batch)).toEqual(["get", "list"]);
    expect([Row.line, Row.start, Row.end, Row.lineEnd].map((at) => word(batch, 0, at))).toEqual([0, 0, 14, 14]);
    expect([Row.line, Row.start, Row.end, Row.lineEnd].map((at) => word(batch, 1, at))).toEqual([15, 16, 31, 32]);
  });

  it("may end with CRLF or, at the end of a file, with nothing", () => {
    const batch = load('{"verb":"get"}\r\n{"verb":"list"}\r\n{"verb":"watch"}');
    expect(verbs(batch)).toEqual(["get", "list", "watch"]);
    expect(word(batch, 0, Row.lineEnd)).toBe(14);
    expect(batch.length).toBe(batch.end.offset);
    expect(batch.length).toBe(16 + 17 + 16);
  });

  it("count nothing when they are blank", () => {
    expect(rowsOf(load('\n\r\n  \t \n\0\0\n\ufeff\n{"verb":"get"}\n\n'))).toEqual(["event"]);
    expect(rowsOf(load("  "))).toEqual([]);
    expect(rowsOf(load(""))).toEqual([]);
  });

  it("begin after a byte order mark and after the NULs of a hole", () => {
    const batch = load('\ufeff{"verb":"get"}\n\0\0\0{"verb":"list"}\n\0\0\ufeff{"verb":"watch"}\n');
    expect(verbs(batch)).toEqual(["get", "list", "watch"]);
    expect([0, 1, 2].map((row) => word(batch, row, Row.line))).toEqual([3, 21, 42]);
  });

  it("that are not objects are invalid rows with length and hash", () => {
    const batch = load('{"verb":\n[1]\r\n"x"\n{"verb":"get"}\nhalf');
    expect(rowsOf(batch)).toEqual(["syntax", "not-an-object", "not-an-object", "event", "syntax"]);
    expect(batch.invalid(0)).toEqual({ reason: "syntax", length: 8, sha256: sha256('{"verb":') });
    expect(batch.invalid(1)).toEqual({ reason: "not-an-object", length: 3, sha256: sha256("[1]") });
    expect(batch.invalid(3)).toBeUndefined();
    expect(batch.invalid(4)).toEqual({ reason: "syntax", length: 4, sha256: sha256("half") });
  });

  it("leave no trace of a row that turned out to be invalid", () => {
    const batch = load('{"verb":"get","user":{"username":"a"},\n{"kind":"Event"}\n{"level":"None"} x\n{}\n');
    expect(rowsOf(batch)).toEqual(["syntax", "event", "syntax", "event"]);
    for (const row of [0, 2, 3]) {
      const fields = batch.table.subarray(row * ROW_WORDS + Row.editCount + 1, (row + 1) * ROW_WORDS);
      expect(fields.every((value) => value === 0)).toBe(true);
    }
  });

  it("longer than maxLine are one invalid row with the hash the source took", () => {
    const batch = load("{}\n");
    const oversized = { skipped: 101, length: 100, sha256: "ab".repeat(32) };
    const took = batch.load({ bytes: batch.buffer, length: 0, file: FILE, offset: 7, oversized }, "apiserver");
    expect(took).toBe(0);
    expect(rowsOf(batch)).toEqual(["too-long"]);
    expect(batch.invalid(0)).toEqual({ reason: "too-long", length: 100, sha256: "ab".repeat(32) });
    expect(batch.end).toEqual({ file: FILE, offset: 108 });
  });

  it("beyond maxRows are left to the next batch", () => {
    const text = Buffer.from('{"verb":"a"}\n\n{"verb":"b"}\n{"verb":"c"}\n{"verb":"d"}');
    const batch = new EventBatch({ capacity: 0, maxRows: 2, documents: ORIGIN });
    const seen: (string | undefined)[] = [];
    let offset = 0;
    while (offset < text.length) {
      const bytes = text.subarray(offset);
      offset += batch.load({ bytes, length: bytes.length, file: FILE, offset }, "apiserver");
      expect(batch.end.offset).toBe(offset);
      expect(batch.count).toBe(2);
      seen.push(...verbs(batch));
    }
    expect(seen).toEqual(["a", "b", "c", "d"]);
  });

  it("are the same rows however they are cut into batches", () => {
    const line = fc.constantFrom(
      "",
      "{}",
      '{"verb":"get"}',
      "no",
      '{"items":[{"verb":"a"},1,{"verb":"b"}]}',
      '{"kind":"Event","apiVersion":"audit.k8s.io/v1","ve{"kind":"Event","apiVersion":"audit.k8s.io/v1","verb":"s"}',
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.integer({ min: 1, max: 5 }), (lines, maxRows) => {
        const text = Buffer.from(lines.join("\n"));
        const describeRow = (batch: EventBatch, row: number) => [
          rowsOf(batch)[row],
          batch.offset + word(batch, row, Row.start),
          batch.offset + word(batch, row, Row.line),
          word(batch, row, Row.item),
          batch.at(row).text(Field.verb),
          batch.at(row).id(),
        ];
        const all = load(text);
        const expected = Array.from({ length: all.count }, (_, row) => describeRow(all, row));
        const batch = new EventBatch({ capacity: 0, maxRows, documents: ORIGIN });
        const actual: unknown[] = [];
        for (let offset = 0; offset < text.length; ) {
          const bytes = text.subarray(offset);
          offset += batch.load({ bytes, length: bytes.length, file: FILE, offset }, "apiserver");
          for (let row = 0; row < batch.count; row++) actual.push(describeRow(batch, row));
        }
        expect(actual).toEqual(expected);
      }),
    );
  });
});

describe("any bytes", () => {
  it("become rows that can be read and written, and never an error", () => {
    const pieces = fc.oneof(
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom("\n", "{", "}", '{"a":"', '"', "\\", "\0", "\ufeff", '{"items":[', "]", '"stageTimestamp":"')
        .map(Buffer.from),
      fc.constantFrom('{"kind":"Event","apiVersion":"audit.k8s.io/v1"', '{"auditID":"x"}', "\r\n").map(Buffer.from),
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const batch = load(Buffer.concat(parts), { arrays: true });
        for (let row = 0; row < batch.count; row++) {
          const view = batch.at(row);
          expect(view.id()).toHaveLength(40);
          expect(view.day()).toMatch(/^\d{4}\.\d\d\.\d\d$/);
          expect(JSON.parse(documentOf(view, { id: true }))).toHaveProperty("auditship");
          expect(word(batch, row, Row.line)).toBeLessThanOrEqual(word(batch, row, Row.start));
          expect(word(batch, row, Row.end)).toBeLessThanOrEqual(word(batch, row, Row.lineEnd));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("an EventList on a line", () => {
  it("is its items, each with the line's place and a number", () => {
    const line = '{"kind":"EventList","metadata":{},"items":[{"verb":"a"}, {"verb":"b"} ,7]}';
    const batch = load(`{}\n${line}\n`);
    expect(rowsOf(batch)).toEqual(["event", "event", "event", "not-an-object"]);
    expect(verbs(batch)).toEqual([undefined, "a", "b", undefined]);
    for (const row of [1, 2, 3]) {
      expect([word(batch, row, Row.item), word(batch, row, Row.line), word(batch, row, Row.lineEnd)]).toEqual([
        row,
        3,
        3 + line.length,
      ]);
      expect(batch.flags(row) & Flag.item).toBe(Flag.item);
    }
    expect(batch.bytes.toString("utf8", word(batch, 2, Row.start), word(batch, 2, Row.end))).toBe('{"verb":"b"}');
    expect(batch.invalid(3)!.length).toBe(1);
  });

  it("is recognised by items without a kind and by KubeSphere's Items", () => {
    expect(verbs(load('{"items":[{"verb":"a"}]}'))).toEqual(["a"]);
    expect(verbs(load('{"Items":[{"Verb":"a"},{"Verb":"b"}]}'))).toEqual(["a", "b"]);
    expect(rowsOf(load('{"items":[]}'))).toEqual([]);
  });

  it("is not an event with items and another kind, or with items that are no array", () => {
    expect(verbs(load('{"kind":"Event","items":[{"verb":"a"}],"verb":"x"}'))).toEqual(["x"]);
    expect(verbs(load('{"items":{"verb":"a"},"verb":"x"}'))).toEqual(["x"]);
    expect(verbs(load('{"items":[{"verb":"a"}],"items":null,"verb":"x"}'))).toEqual(["x"]);
    expect(
      verbs(load('{"kind":"Event","responseObject":{"kind":"EventList","items":[{"verb":"a"}]},"verb":"x"}')),
    ).toEqual(["x"]);
  });

  it("does not open lists inside lists", () => {
    expect(verbs(load('{"items":[{"verb":"a","items":[{"verb":"b"}]}]}'))).toEqual(["a"]);
  });

  it("may exceed maxRows when it is the first line of a batch, else it waits for the next one", () => {
    const list = `{"items":[${Array(10).fill('{"verb":"i"}').join(",")}]}\n`;
    const text = Buffer.from(`{"verb":"a"}\n${list}{"verb":"b"}\n`);
    const batch = new EventBatch({ capacity: 0, maxRows: 4, documents: ORIGIN });
    const counts: number[] = [];
    for (let offset = 0; offset < text.length; ) {
      const bytes = text.subarray(offset);
      offset += batch.load({ bytes, length: bytes.length, file: FILE, offset }, "apiserver");
      counts.push(batch.count);
    }
    expect(counts).toEqual([1, 10, 1]);
  });

  it("has a bound, beyond which the line is invalid", () => {
    const list = (count: number) => `{"items":[${Array(count).fill("{}").join(",")}]}\n{}\n`;
    expect(load(list(MAX_ITEMS)).count).toBe(MAX_ITEMS);
    const batch = load(list(MAX_ITEMS + 1));
    expect(rowsOf(batch)).toEqual(["too-many-items", "event"]);
    expect(word(batch, 0, Row.item)).toBe(0);
  });
});

describe("an array on a line", () => {
  it("is not an object unless arrays are asked for", () => {
    expect(rowsOf(load('[{"verb":"a"}]'))).toEqual(["not-an-object"]);
  });

  it("is its items, numbered consecutively, with EventLists among them opened", () => {
    const batch = load(
      '[{"verb":"a"},{"items":[{"verb":"b"},{"verb":"c"}]},3,{"kind":"EventList","items":[]},{"verb":"d"}]',
      {
        arrays: true,
      },
    );
    expect(verbs(batch)).toEqual(["a", "b", "c", undefined, "d"]);
    expect(Array.from({ length: 5 }, (_, row) => word(batch, row, Row.item))).toEqual([1, 2, 3, 4, 5]);
  });
});

describe("a torn line", () => {
  const whole =
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1","verb":"create","requestObject":{"kind":"Event","apiVersion":"v1"}}';
  const torn = [
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1","requestURI":"/api/v1',
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1","requestURI":"\\',
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1","requestURI":"\\u00',
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1","responseStatus":{"code":20',
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1","responseObject":',
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1","responseObject":{"items":[',
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1","respon',
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1","annotations":{"a":tr',
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1"}',
    `{"kind":"Event","apiVersion":"audit.k8s.io/v1","requestObject":[${whole},${whole}`,
    `{"kind":"Event","apiVersion":"audit.k8s.io/v1","requestObject":[${whole},${whole},`,
    `{"kind":"Event","apiVersion":"audit.k8s.io/v1","requestObject":[${whole},${whole},"x`,
    'x{"kind":"Event","apiVersion":"audit.k8s.io/v1","requestURI":"/api',
    'x{"kind":"Event","apiVersion":"audit.k8s.io/v1","a":"\\',
    'x{"kind":"Event","apiVersion":"audit.k8s.io/v1","level',
    'x{"kind":"Event","apiVersion":"audit.k8s.io/v1","a":"{"kind":"Event","apiVersion":"audit.k8s.io/v1","a":"',
    "garbage",
    "\u0001\u0002{{{",
    `{"kind":"Event"\0\0\0\0`,
  ];

  it.each(torn)("after %j gives one invalid remainder and the whole event", (remainder) => {
    const batch = load(`{}\n${remainder}${whole}\r\n{}\n`);
    expect(rowsOf(batch)).toEqual(["event", "torn", "event", "event"]);
    const begin = 3 + Buffer.byteLength(remainder);
    expect(batch.invalid(1)).toEqual({
      reason: "torn",
      length: Buffer.byteLength(remainder),
      sha256: sha256(remainder),
    });
    expect(word(batch, 2, Row.line)).toBe(begin);
    expect([word(batch, 2, Row.start), word(batch, 2, Row.end)]).toEqual([begin, begin + whole.length]);
    expect(batch.flags(2)).toBe(Flag.salvaged);
    expect(batch.at(2).text(Field.verb)).toBe("create");
    expect(batch.at(1).id()).not.toBe(batch.at(2).id());
  });

  it.each([
    // The event itself is cut off; what is whole in its body is not it.
    `{"kind":"Event","apiVersion":"audit.k8s.io/v1","requestObject":${whole}`,
    `${whole}{"kind":"Event","apiVersion":"audit.k8s.io/v1","requestURI":"/api`,
    `{"kind":"Event","apiVersion":"audit.k8s.io/v1","requestObject":[${whole},`,
    `x${whole.slice(0, -1)}`,
    `x${whole} x`,
    // A core/v1 Event.
    'x{"kind":"Event","apiVersion":"v1","verb":"create"}',
  ])("without a whole event at its end is invalid as a whole: %j", (line) => {
    const rows = rowsOf(load(`${line}\n`));
    // A body that ends where the torn line ends looks like a line of its own: nothing tells them apart but the brackets.
    expect(rows.length === 1 ? rows : rows.slice(0, 1)).toEqual([line.endsWith(`:${whole}`) ? "torn" : "syntax"]);
  });

  it("costs time in proportion to its length, however many beginnings it has", () => {
    const beginning = '{"kind":"Event","apiVersion":"audit.k8s.io/v1","a":';
    const closed = `${beginning.repeat(20_000)}1${"}".repeat(20_000)}`;
    expect(rowsOf(load(`x${beginning.repeat(20_000)}`))).toEqual(["syntax"]);
    expect(rowsOf(load(`x${closed} x`))).toEqual(["syntax"]);
    expect(rowsOf(load(`${beginning}[${closed},${closed}`))).toEqual(["torn", "event"]);
    expect(rowsOf(load(`${beginning}[${closed},${closed},"`))).toEqual(["syntax"]);
    expect(rowsOf(load(`${beginning}"x`.repeat(20_000)))).toEqual(["syntax"]);
  });

  it.skipIf(!hasSamples)("made of two real lines gives the second one back", () => {
    const lines = sample("samples/kubeadm-cluster/audit.jsonl.gz").toString().split("\n").filter(Boolean);
    const index = fc.integer({ min: 0, max: lines.length - 1 });
    fc.assert(
      fc.property(index, index, fc.double({ min: 0, max: 1, noNaN: true }), (first, second, part) => {
        const a = Buffer.from(lines[first]);
        const cut = a.subarray(0, 1 + Math.floor(part * (a.length - 2)));
        const batch = load(Buffer.concat([cut, Buffer.from(lines[second]), Buffer.from("\n")]));
        expect(rowsOf(batch)).toEqual(["torn", "event"]);
        expect(batch.at(1).text(Field.auditID)).toBe(JSON.parse(lines[second]).auditID);
        expect(word(batch, 1, Row.start)).toBe(cut.length);
      }),
      { numRuns: 300 },
    );
  });
});
