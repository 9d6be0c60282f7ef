import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventBatch, EventExtractor } from "../../src/event/index.js";
import { type ExtractedLine, Flag } from "../../src/plugin/index.js";
import { documentOf, FILE, ORIGIN, rowsOf } from "./support.js";

/** The line in pieces of the given lengths, the rest in one. */
function extract(line: string | Buffer, cuts: number[] = []): ExtractedLine | undefined {
  const bytes = Buffer.from(line as string);
  const extractor = new EventExtractor();
  let at = 0;
  for (const cut of cuts) {
    extractor.add(bytes.subarray(at, at + cut));
    at = Math.min(bytes.length, at + cut);
  }
  extractor.add(bytes.subarray(at));
  return extractor.end();
}

function eventOf(found: ExtractedLine | undefined): { event: unknown; text: string; dropped: readonly string[] } {
  if (found?.kind !== "event") throw new Error(`no event: ${JSON.stringify(found)}`);
  const text = Buffer.from(found.bytes).toString();
  return { event: JSON.parse(text), text, dropped: found.dropped };
}

const cuts = fc.array(fc.nat(9), { maxLength: 400 });
const BEGINNING = '{"kind":"Event","apiVersion":"audit.k8s.io/v1"';

describe("the event in a line too long to be held", () => {
  it("consists of its members without the bodies, wherever the line is cut", () => {
    const body = fc.json();
    fc.assert(
      fc.property(body, body, body, cuts, (request, response, annotations, lengths) => {
        const line = `${BEGINNING},"auditID":"\\u0031","requestObject":${request},"code" : -12.5e+3 , "responseObject":${response},"annotations":${annotations}}`;
        const { requestObject: _, responseObject: __, ...expected } = JSON.parse(line);
        const { event, dropped, text } = eventOf(extract(line, lengths));
        expect(event).toEqual(expected);
        expect([...dropped].sort()).toEqual(["requestObject", "responseObject"]);
        expect(text).toContain('"auditID":"\\u0031"');
        expect(text.endsWith("}\n")).toBe(true);
      }),
    );
  });

  it("is found exactly where JSON.parse finds an object", () => {
    const piece = fc.constantFrom(
      ...[
        '{"a":',
        '"b"',
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "1",
        "-",
        "0",
        ".5",
        "e",
        "E+1",
        "true",
        "nul",
        "l",
        '"\\u00e9"',
        '"\\x"',
      ],
      ...[" ", "\t", '"requestObject":', '"é"', "\u0001", "01", '"\\'],
    );
    const line = fc.array(piece, { maxLength: 12 }).map((pieces) => `{"k":${pieces.join("")}}`);
    fc.assert(
      fc.property(
        fc.oneof(
          line,
          fc.json().map((value) => `{"k":${value}}`),
        ),
        cuts,
        (text, lengths) => {
          let valid = true;
          try {
            JSON.parse(text);
          } catch {
            valid = false;
          }
          expect(extract(text, lengths)?.kind === "event").toBe(valid);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each(['"requestObject"', '"RequestObject"', '"request\\u004fbject"'])("has no body under the name %s", (key) => {
    const { event, dropped } = eventOf(extract(`{"verb":"create",${key}:{"a":[1]},"stage":"Panic"}`));
    expect(event).toEqual({ verb: "create", stage: "Panic" });
    expect(dropped).toEqual(["requestObject"]);
  });

  it("is never one that a body holds", () => {
    const inner = `${BEGINNING},"auditID":"inner","stage":"ResponseComplete"}`;
    const line = `${BEGINNING},"auditID":"outer","requestObject":${inner},"stage":"RequestReceived"}`;
    expect(eventOf(extract(line)).event).toMatchObject({ auditID: "outer", stage: "RequestReceived" });
  });

  it("has no member that is too large, whatever its name", () => {
    const large = "x".repeat(300_000);
    const { event, dropped } = eventOf(
      extract(`{"verb":"get","annotations":{"a":"${large}"},"unknown":"${large}","stage":"Panic"}`, [7, 100_000]),
    );
    expect(event).toEqual({ verb: "get", stage: "Panic" });
    expect(dropped).toEqual(["annotations", "other"]);
  });

  it("keeps only the bytes that are allowed per line, however many members there are", () => {
    const members = Array.from({ length: 100 }, (_, i) => `"m${i}":"${"x".repeat(50_000)}"`);
    const { text, dropped } = eventOf(extract(`{"verb":"get",${members.join(",")},"stage":"Panic"}`));
    expect(text.length).toBeLessThan(1_100_000);
    expect(JSON.parse(text)).toMatchObject({ verb: "get", m0: expect.anything() });
    expect(dropped).toContain("other");
  });

  it.each([
    ['{"kind":"EventList","items":[{"verb":"get"}]}'],
    ['{"items":[{"verb":"get"}]}'],
    ["[1,2]"],
    ['"text"'],
    ["{} x"],
    ["x".repeat(100)],
    [""],
  ])("is not there in %s", (line) => {
    expect(extract(line, [2, 3])).toBeUndefined();
  });

  it("is there behind the NULs of a hole and a byte order mark, and before a carriage return", () => {
    expect(eventOf(extract('\0\0\0{"verb":"get"}\r', [1, 1, 1, 1])).event).toEqual({ verb: "get" });
    expect(eventOf(extract('\ufeff{"verb":"get"} ', [1, 1])).event).toEqual({ verb: "get" });
  });

  it("is found whole at the end of a torn line", () => {
    const whole = `${BEGINNING},"auditID":"2","stage":"Panic"}`;
    for (const half of [
      `${BEGINNING},"requestObject":{"a":"bcd`,
      `${BEGINNING},"requestObject":{"a":`,
      `${BEGINNING},"re`,
    ]) {
      const torn = Buffer.from(half + whole);
      expect(extract(torn, [10, 20])).toEqual({ kind: "torn", at: half.length });
      const long = `${BEGINNING},"requestObject":{"a":"${"y".repeat(5_000_000)}`;
      expect(extract(long + whole, [1_000_000, 3_000_000])).toEqual({ kind: "torn", at: long.length });
    }
  });

  it("takes bounded memory and all of its bytes", () => {
    const extractor = new EventExtractor();
    extractor.add(Buffer.from(`${BEGINNING},"auditID":"1","requestObject":["`));
    const block = Buffer.alloc(1 << 20, "y");
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 100; i++) extractor.add(block);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20);
    extractor.add(Buffer.from('"],"stage":"Panic"}'));
    expect(eventOf(extractor.end()).event).toMatchObject({ auditID: "1", stage: "Panic" });
  });
});

describe("a batch of it", () => {
  const oversized = { skipped: 5001, length: 5000, sha256: "ab".repeat(32), dropped: ["requestObject"] };
  const loadLine = (text: string) => {
    const batch = new EventBatch({ capacity: 0, documents: ORIGIN });
    const bytes = Buffer.from(text);
    const took = batch.load({ bytes, length: bytes.length, file: FILE, offset: 70, oversized }, "apiserver");
    expect(took).toBe(bytes.length);
    expect(batch.end).toEqual({ file: FILE, offset: 70 + 5001 });
    return batch;
  };

  it("is one event, marked as truncated, that says what is missing", () => {
    const batch = loadLine('{"auditID":"1","verb":"create"}\n');
    expect(rowsOf(batch)).toEqual(["event"]);
    expect(batch.flags(0) & Flag.truncated).toBe(Flag.truncated);
    expect(JSON.parse(documentOf(batch.at(0)))).toMatchObject({
      verb: "create",
      auditship: { offset: 70, truncated: { dropped: ["requestObject"], length: 5000, sha256: "ab".repeat(32) } },
    });
  });

  it("has an id that depends on its line's length, not on the length kept", () => {
    const whole = loadLine('{"auditID":"1","verb":"create"}\n').at(0).id();
    expect(loadLine('{"auditID":"1"}\n').at(0).id()).toBe(whole);
  });

  it("is a report if there is no event", () => {
    expect(rowsOf(loadLine("{}\n{}\n"))).toEqual(["too-long"]);
    expect(rowsOf(loadLine("{,\n"))).toEqual(["too-long"]);
  });

  it("of the bytes before a whole event on a torn line is reported as torn", () => {
    const batch = new EventBatch({ capacity: 0, documents: ORIGIN });
    const torn = { ...oversized, torn: true };
    batch.load({ bytes: Buffer.alloc(0), length: 0, file: FILE, offset: 70, oversized: torn }, "apiserver");
    expect(rowsOf(batch)).toEqual(["torn"]);
  });
});
