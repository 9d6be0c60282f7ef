import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventBatch } from "../../src/event/index.js";
import { scanners } from "../../src/event/verify.js";
import { FIELD_PATHS, Field, Flag, NUMBERED, ROW_WORDS, Row } from "../../src/plugin/index.js";
import { itemsOf, parse, wrongField } from "./oracle.js";
import { eventLine, SPOOFS } from "./spoofs.js";
import { FILE, ORIGIN, rowsOf } from "./support.js";

const LONG = process.env.AUDITSHIP_LONG !== undefined;
/** Changed lines of each structure. */
const MUTATIONS = LONG ? 20_000 : 150;

const CAPACITY = 1 << 18;
const batchOf = (capacity: number) => new EventBatch({ capacity, maxRows: 64, documents: ORIGIN });
/** The same two batches all the time, so that what was in them before is there, too. */
const slow = batchOf(0);
const fast = batchOf(CAPACITY);

/** Loads bytes, which lie at the start or at the end of the fast batch's buffer. */
function loadBoth(text: Buffer): void {
  slow.load({ bytes: text, length: text.length, file: FILE, offset: 0 }, "apiserver");
  fast.buffer.set(text);
  fast.load({ bytes: fast.buffer, length: text.length, file: FILE, offset: 0 }, "apiserver");
}

/** What is wrong with the rows of these lines in either batch. */
function wrongIn(text: Buffer): string | undefined {
  loadBoth(text);
  const rows = (batch: EventBatch) => batch.table.subarray(0, batch.count * ROW_WORDS);
  if (Buffer.compare(bytesOf(rows(slow)), bytesOf(rows(fast))) !== 0) return "the scanners differ";
  let row = 0;
  for (const line of text.toString().split("\n").slice(0, -1)) {
    const parsed = parse(line);
    const known = typeof parsed?.value === "object" && parsed.value !== null && !Array.isArray(parsed.value);
    if (!known) {
      if (/^\0*\ufeff?[ \t\r]*$/.test(line)) continue;
      if ((fast.flags(row) & Flag.invalid) === 0) return "an event that JSON.parse refuses";
      // Behind a torn event there may be a whole one.
      const end = lineEnd(row);
      while (row < fast.count && lineEnd(row) === end) row++;
      continue;
    }
    for (const event of itemsOf(parsed.value) ?? [parsed.value]) {
      const isObject = typeof event === "object" && event !== null && !Array.isArray(event);
      if (isObject === ((fast.flags(row) & Flag.invalid) !== 0)) return `${rowsOf(fast)[row]} and not an event`;
      const wrong = isObject ? (wrongField(fast.at(row), event) ?? wrongField(slow.at(row), event)) : undefined;
      if (wrong !== undefined) return wrong;
      row++;
    }
  }
  return row === fast.count ? undefined : `${fast.count} rows and not ${row}`;
}

const lineEnd = (row: number) => fast.table[row * ROW_WORDS + Row.lineEnd];
const bytesOf = (words: Uint32Array) => Buffer.from(words.buffer, words.byteOffset, words.byteLength);

const EVENT = JSON.parse(eventLine('{"metadata":{"name":"p","labels":{"a":"b"}},"spec":{"containers":[{"env":[]}]}}'));
const text = (event: unknown) => JSON.stringify(event);
const without = (...keys: string[]) =>
  text(Object.fromEntries(Object.entries(EVENT).filter(([key]) => !keys.includes(key))));
const capital = (value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key[0].toUpperCase() + key.slice(1), inner]))
    : value;

const STRUCTURES: readonly (readonly [what: string, text: string])[] = [
  ["an event with bodies", text(EVENT)],
  ["a Metadata event", without("requestObject", "responseObject")],
  ["an event with one body", without("responseObject")],
  ["an event without annotations", without("annotations")],
  ["an event that was only received", without("responseStatus", "responseObject", "annotations", "objectRef")],
  ["members in reverse", text(Object.fromEntries(Object.entries(EVENT).reverse()))],
  ["white space everywhere", JSON.stringify(EVENT, undefined, "\t").replaceAll("\n", " \r ")],
  [
    "a patch as a body",
    eventLine('[{"op":"replace","path":"/spec/replicas","value":3},{"op":"remove","path":"/x~1y"}]'),
  ],
  [
    "an impersonated user with extra",
    text({ ...EVENT, impersonatedUser: { username: "x", groups: ["g"], extra: { a: ["b"] } } }),
  ],
  ["members nobody knows", text({ metadata: {}, ...EVENT, timestamp: "2018-01-02T03:04:05Z", zzz: [1, { a: null }] })],
  ["members named as ours", text({ ...EVENT, auditship: { x: 1 }, "@timestamp": 2 })],
  ["members twice", `${text(EVENT).slice(0, -1)},${text({ verb: "get", user: { uid: "1" } }).slice(1)}`],
  ["escaped keys", text(EVENT).replace('"verb"', '"v\\u0065rb"').replace('"username"', '"usern\\u0061me"')],
  ["Go's names", text(capital(Object.fromEntries(Object.entries(EVENT).map(([key, value]) => [key, capital(value)]))))],
  ["an EventList", text({ kind: "EventList", apiVersion: "audit.k8s.io/v1", metadata: {}, items: [EVENT, 1, EVENT] })],
  ["all escapes", eventLine(String.raw`{"a":"\"\\\/\b\f\n\r\té世😀\ud83d\ude00\ud800"}`)],
  ["all numbers", eventLine("[0,-0,1.5,-1e7,1E-7,9007199254740993,1e400,true,false,null]")],
  ["a deep body", eventLine(`${'{"a":['.repeat(60)}1${"]}".repeat(60)}`)],
  ["long texts", eventLine(`{"data":"${"x\\n".repeat(600)}"}`, { uri: `/${"y".repeat(600)}` })],
  ["empty objects and lists", eventLine('{"a":{},"b":[],"c":"","d":[{},[]]}')],
];

const change = fc.tuple(
  fc.nat(),
  fc.constantFrom("set", "flip", "remove", "insert"),
  fc.oneof(fc.constantFrom(...Buffer.from('"\\{}[],:0123456789eE+-.tfnu \t\r\n\0')), fc.nat(255)),
);

/** A line with one byte changed, another one put in, or one taken out. */
function changed(line: Buffer, [place, how, byte]: readonly [number, string, number]): Buffer {
  const at = place % (line.length + 1);
  const between = how === "remove" ? [] : [how === "flip" ? (line[at] ?? 0) ^ (1 << (byte & 7)) : byte];
  return Buffer.concat([line.subarray(0, at), Buffer.from(between), line.subarray(how === "insert" ? at : at + 1)]);
}

describe("no field is wrong, and both scanners agree,", () => {
  it.each([...STRUCTURES, ...SPOOFS])("after any change of a byte: %s", { timeout: 600_000 }, (_, line) => {
    const bytes = Buffer.from(line);
    const neighbour = Buffer.from('{"verb":"get"}\n');
    expect(wrongIn(Buffer.concat([bytes, Buffer.from("\n")]))).toBeUndefined();
    fc.assert(
      fc.property(change, (how) => {
        const lines = Buffer.concat([neighbour, changed(bytes, how), Buffer.from("\n"), neighbour]);
        expect(wrongIn(lines)).toBeUndefined();
      }),
      { numRuns: MUTATIONS },
    );
  });

  it("wherever a chunk ends, whatever follows it in the buffer", { timeout: 600_000 }, () => {
    for (const [, line] of STRUCTURES) {
      const whole = Buffer.from(line);
      for (let end = 0; end <= whole.length; end += LONG ? 1 : 7) {
        // The rest of the line stays in the buffer from here on.
        fast.buffer.set(whole);
        const wrong = wrongIn(Buffer.concat([whole.subarray(0, end), Buffer.from("\n")]));
        if (wrong !== undefined) expect([line, end, wrong]).toEqual([line, end, undefined]);
      }
    }
  });

  it("wherever in the buffer a line is, up to its last byte", { timeout: 600_000 }, () => {
    for (const [, line] of STRUCTURES) {
      const bytes = Buffer.from(`${line}\n`);
      const places = LONG ? Array.from({ length: 64 }, (_, at) => at) : [1, 7, 15];
      for (const at of places) {
        expect(wrongIn(Buffer.concat([Buffer.from(`${" ".repeat(at)}\n`), bytes]))).toBeUndefined();
      }
      const last = batchOf(bytes.length);
      last.buffer.set(bytes);
      last.load({ bytes: last.buffer, length: bytes.length, file: FILE, offset: 0 }, "apiserver");
      loadBoth(bytes);
      expect(bytesOf(last.table.slice(0, last.count * ROW_WORDS))).toEqual(
        bytesOf(slow.table.slice(0, slow.count * ROW_WORDS)),
      );
    }
  });

  it("however lines are cut into chunks", () => {
    const lines = Buffer.from(STRUCTURES.map(([, line]) => `${line}\n`).join(""));
    loadBoth(lines);
    const described = (batch: EventBatch) =>
      Array.from({ length: batch.count }, (_, row) => [
        batch.at(row).id(),
        ...FIELD_PATHS.map((_path, field) => batch.at(row).text(field)),
      ]);
    const expected = described(slow);
    expect(described(fast)).toEqual(expected);
    for (let cut = lines.indexOf(10) + 1; cut < lines.length; cut = lines.indexOf(10, cut) + 1) {
      const rows = [lines.subarray(0, cut), lines.subarray(cut)].flatMap((bytes, second) => {
        fast.buffer.set(bytes);
        fast.load({ bytes: fast.buffer, length: bytes.length, file: FILE, offset: second * cut }, "apiserver");
        return described(fast);
      });
      expect(rows).toEqual(expected);
    }
  });
});

describe.skipIf(!scanners().webAssembly)("the numbers of values", () => {
  it("never stand for two values, whatever number of values there is", () => {
    const values = new Map<number, string>();
    let numbering: object | undefined;
    let begun = 0;
    const column = NUMBERED.indexOf(Field.userUsername);
    for (let from = 0; from < (LONG ? 200_000 : 20_000); from += 60) {
      const names = Array.from({ length: 60 }, (_, i) =>
        i % 20 === 0
          ? "alice"
          : i % 20 === 1
            ? "x".repeat(513)
            : `user-${from + i}`.padEnd(((from + i) * 7) % 300, "-"),
      );
      loadBoth(Buffer.from(names.map((username) => `${text({ ...EVENT, user: { username } })}\n`).join("")));
      if (fast.numbering !== numbering) values.clear();
      if (fast.numbering !== numbering) begun++;
      numbering = fast.numbering;
      expect(fast.count).toBe(60);
      for (const [row, name] of names.entries()) {
        const number = fast.numbers[row * NUMBERED.length + column];
        expect(fast.at(row).text(Field.userUsername)).toBe(name);
        if (name.length > 512) expect(number).toBe(0);
        if (number !== 0) expect(values.get(number) ?? name).toBe(name);
        if (number !== 0) values.set(number, name);
      }
    }
    expect(begun).toBeGreaterThan(4);
  });
});
