import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { EventBatch } from "../../src/event/index.js";
import {
  ByteWriter,
  Field,
  Flag,
  type Frame,
  MessageTemplate,
  ROW_WORDS,
  Row,
  type RuleMatch,
  type ShownField,
} from "../../src/plugin/index.js";
import { withWebAssembly } from "../support/web-assembly.js";
import { load, loadOwn } from "./support.js";

const FRAME: Frame = {
  before: Buffer.from('{"create":{"_index":"audit-2024.05.01","_id":"'),
  between: Buffer.from('"}}\n'),
  after: Buffer.from("\n"),
};

/** What one event is, and what stages made of it. */
interface Given {
  event: object;
  latency: number;
  workspace: string | undefined;
  rules: RuleMatch[];
  edit: "none" | keyof typeof EDITS;
}

const text = fc.string({ unit: "binary", maxLength: 60 });
const rendered = text.map(ruleOf);
const shownField = fc.record({
  field: fc.constantFrom(
    ...[Field.verb, Field.userUsername, Field.sourceIPs, Field.responseStatusCode, Field.responseStatus, Field.auditID],
  ),
  lower: fc.boolean(),
});
const shown = fc.array(fc.oneof(text, shownField), { maxLength: 6 }).map(shownBy);

const given: fc.Arbitrary<Given> = fc.record({
  event: fc.record(
    {
      auditID: fc.string({ maxLength: 40 }),
      stage: fc.constantFrom("ResponseComplete", "Panic", ""),
      verb: fc.oneof(fc.constantFrom("get", "Get", ""), fc.string({ unit: "grapheme", maxLength: 90 })),
      user: fc.record({ username: fc.oneof(text, fc.constant(null)) }),
      sourceIPs: fc.oneof(fc.array(fc.ipV6()), fc.array(fc.oneof(text, fc.integer()), { maxLength: 3 })),
      responseStatus: fc.oneof(fc.record({ code: fc.integer() }), text),
      stageTimestamp: fc.constantFrom("2024-05-01T02:03:04.5Z", "2024-05-01T02:03:04.123456Z"),
      requestObject: fc.json(),
    },
    { requiredKeys: ["verb"] },
  ),
  latency: fc.oneof(
    fc.constantFrom(Number.NaN, 0, -0.0004, 0.1, 5, 12.34, 999.999, 86_400_000.001, -3.25),
    fc.double({ min: -1e6, max: 1e10, noNaN: true }),
  ),
  workspace: fc.option(fc.string({ maxLength: 20 }), { nil: undefined }),
  rules: fc.array(fc.oneof(shown, shown, rendered), { maxLength: 3 }),
  edit: fc.constantFrom("none", "none", "key", "time", "long", "many"),
});

function ruleOf(message: string): RuleMatch {
  return {
    rule: "a rule",
    priority: "WARNING",
    dialect: "falco",
    actions: ["archived"],
    message: () => message,
  } as never;
}

/** A rule whose message is these texts and fields. */
function shownBy(parts: (string | ShownField)[]): RuleMatch {
  return { ...ruleOf("as rendered"), template: new MessageTemplate(parts) };
}

/** What redaction may do: bytes of a row, and what takes their place. */
const EDITS = {
  key(batch: EventBatch, row: number): Edit[] {
    const start = batch.table[row * ROW_WORDS + Row.start];
    return [[start + 1, start + 2, Buffer.from(' "')]];
  },
  time(batch: EventBatch, row: number): Edit[] {
    const event = batch.at(row);
    const field = event.start(Field.stageTimestamp) === 0 ? Field.verb : Field.stageTimestamp;
    return [[event.start(field), event.end(field), Buffer.from('"2020-01-01T00:00:00Z"')]];
  },
  long(batch: EventBatch, row: number): Edit[] {
    const event = batch.at(row);
    return [[event.start(Field.verb), event.end(Field.verb), Buffer.from(`"${"y".repeat(6000)}"`)]];
  },
  /** One or two bytes of the verb at a time, some next to each other, some replaced by nothing. */
  many(batch: EventBatch, row: number): Edit[] {
    const event = batch.at(row);
    const edits: Edit[] = [];
    for (let at = event.start(Field.verb) + 1; at + 2 < event.end(Field.verb); at += 2 + (at % 2)) {
      edits.push([at, at + 1 + (at % 2), Buffer.from(["", "z", "-----"][at % 3])]);
    }
    return edits;
  },
};

/** [start, end) of a batch's bytes, and what replaces them. */
type Edit = [start: number, end: number, replacement: Buffer];

function applyEdits(batch: EventBatch, row: number, edits: readonly Edit[]): void {
  for (const edit of edits) batch.edit(row, ...edit);
}

/** Does to the rows of a batch what stages do. */
function applyStages(batch: EventBatch, all: readonly Given[]): void {
  batch.rules = "abcdef";
  for (const [row, { latency, workspace, rules, edit }] of all.entries()) {
    batch.latency[row] = latency;
    if (workspace !== undefined) batch.annotate(row, "workspace", workspace);
    for (const rule of rules) batch.addMatch(row, rule);
    if (edit !== "none") applyEdits(batch, row, EDITS[edit](batch, row));
  }
}

/** An event as it stands in a request, written by itself. */
function writeAlone(batch: EventBatch, row: number, out: ByteWriter): void {
  const event = batch.at(row);
  out.copy(FRAME.before);
  event.writeId(out);
  out.copy(FRAME.between);
  event.writeDocument(out);
  out.copy(FRAME.after);
}

function expectedOf(batch: EventBatch): string {
  const out = new ByteWriter();
  for (let row = 0; row < batch.count; row++) writeAlone(batch, row, out);
  return Buffer.from(out.view()).toString("latin1");
}

/** All rows, as many at once as that goes; and of how many that was. */
function framed(batch: EventBatch): { text: string; together: number } {
  const out = new ByteWriter();
  let together = 0;
  for (let row = 0; row < batch.count; ) {
    const { count } = batch.writeFramed(row, batch.count, FRAME, out);
    together += count;
    if (count === 0) writeAlone(batch, row, out);
    row += Math.max(1, count);
  }
  return { text: Buffer.from(out.view()).toString("latin1"), together };
}

const linesOf = (events: readonly object[]) => events.map((event) => `${JSON.stringify(event)}\n`).join("");

/** An event with all that a document is made of. */
const EVENT = {
  auditID: "3a1f0a52-5a63-4ab6-a2a1-6d1d4c1a7b0e",
  stage: "ResponseComplete",
  verb: "get",
  stageTimestamp: "2024-05-01T02:03:04.123456Z",
};

withWebAssembly();

describe("documents that are written many at once", () => {
  it("are what they are when written one by one, whatever stages added, and wherever in a file", () => {
    const offsets = fc.maxSafeNat().map((offset) => offset % 2 ** 47);
    fc.assert(
      fc.property(fc.array(given, { minLength: 1, maxLength: 30 }), offsets, (all, offset) => {
        const batch = loadOwn(linesOf(all.map(({ event }) => event)), { offset });
        applyStages(batch, all);
        expect(framed(batch).text).toBe(expectedOf(batch));
      }),
      { numRuns: 300 },
    );
  });

  it("are all of the usual rows: also the edited, matched and annotated ones", () => {
    const batch = loadOwn(linesOf(Array.from({ length: 100 }, () => EVENT)));
    for (let row = 0; row < batch.count; row++) batch.latency[row] = row;
    for (let row = 0; row < batch.count; row += 7) applyEdits(batch, row, EDITS.key(batch, row));
    for (let row = 0; row < batch.count; row += 3) batch.annotate(row, "workspace", "retail");
    for (let row = 0; row < batch.count; row += 5) batch.addMatch(row, ruleOf(`Somebody read "secrets" ${row}`));
    const { text, together } = framed(batch);
    expect(together).toBe(100);
    expect(text).toBe(expectedOf(batch));
  });

  it("are all of the rows with many edits, as long as one call has room for all of a row's", () => {
    const verbs = [200, 200, 12_000, ...Array.from({ length: 100 }, () => 200)];
    const batch = loadOwn(linesOf(verbs.map((length) => ({ ...EVENT, verb: "v".repeat(length) }))));
    batch.latency.fill(1, 0, batch.count);
    for (let row = 0; row < batch.count; row++) applyEdits(batch, row, EDITS.many(batch, row));
    expect(batch.writeFramed(0, batch.count, FRAME, new ByteWriter()).count).toBe(2);
    expect(batch.writeFramed(2, batch.count, FRAME, new ByteWriter()).count).toBe(0);
    const { text, together } = framed(batch);
    expect(together).toBe(batch.count - 1);
    expect(text).toBe(expectedOf(batch));
  });

  const TEMPLATE = shownBy([
    { field: Field.userUsername },
    " ",
    { field: Field.verb, lower: true },
    ' "secrets" from ',
    { field: Field.sourceIPs },
    { field: Field.responseStatusCode },
    { field: Field.objectRefName },
  ]);

  it("have their matches, with what messages show of each event", () => {
    const events = [
      { ...EVENT, user: { username: 'e"ve' }, sourceIPs: ["::1"], responseStatus: { code: 403 } },
      { ...EVENT, user: { username: null }, sourceIPs: ["10.0.0.1", "::1", ""] },
      { ...EVENT, verb: "", sourceIPs: ["ä"], objectRef: { name: "ä" } },
    ];
    const batch = loadOwn(linesOf(events));
    batch.rules = "abcdef";
    for (let row = 0; row < batch.count; row++) {
      batch.latency[row] = row;
      batch.addMatch(row, TEMPLATE);
      if (row === 1) batch.addMatch(row, shownBy(["Somebody"]));
    }
    const out = new ByteWriter();
    expect(batch.writeFramed(0, 3, FRAME, out).count).toBe(3);
    const documents = Buffer.from(out.view())
      .toString()
      .split("\n")
      .filter((_, line) => line % 2 === 1);
    const match = (message: string) => ({ rule: "a rule", priority: "WARNING", dialect: "falco", message });
    expect(documents.map((text) => JSON.parse(text).auditship)).toMatchObject([
      { rules: "abcdef", matches: [match('e"ve get "secrets" from ::1403')] },
      { rules: "abcdef", matches: [match(' get "secrets" from 10.0.0.1, ::1, '), match("Somebody")] },
      { rules: "abcdef", matches: [match('  "secrets" from ää')] },
    ]);
  });

  it.each([
    ["in another case", { verb: "Get" }],
    ["an object", { verb: { a: 1 } }],
    ["an array of more than strings", { sourceIPs: ["a", 1] }],
    ["an array of strings with escapes", { sourceIPs: ["a\\b", "c"] }],
  ])("stop once in a batch where a message shows a value that cannot be copied: %s", (_, members) => {
    const odd = { ...EVENT, ...members };
    const batch = loadOwn(linesOf([EVENT, odd, EVENT, odd, EVENT]));
    for (let time = 0; time < 2; time++) {
      batch.latency.fill(1, 0, 5);
      for (let row = 0; row < 5; row++) batch.addMatch(row, TEMPLATE);
      expect(batch.writeFramed(0, 5, FRAME, new ByteWriter()).count).toBe(1);
      const { text, together } = framed(batch);
      expect([text, together]).toEqual([expectedOf(batch), 5]);
      batch.load({ bytes: batch.bytes, length: batch.length, file: batch.file, offset: 0 }, "apiserver");
    }
  });

  it("show nothing that was redacted", () => {
    const batch = loadOwn(linesOf([EVENT, EVENT]));
    batch.latency.fill(1, 0, 2);
    for (let row = 0; row < 2; row++) batch.addMatch(row, TEMPLATE);
    const event = batch.at(1);
    batch.edit(1, event.start(Field.verb), event.end(Field.verb), Buffer.from('"-"'));
    const { text, together } = framed(batch);
    expect(together).toBe(2);
    expect(text.match(/"message":"[^}]*/g)).toEqual([
      '"message":" get \\"secrets\\" from "',
      '"message":"as rendered"',
    ]);
  });

  it("stop where a message would be more than there is room for", () => {
    const verb = "x".repeat(30_000);
    const batch = loadOwn(linesOf([EVENT, { ...EVENT, verb }, EVENT]));
    batch.latency.fill(1, 0, 3);
    const rule = shownBy(Array.from({ length: 20 }, () => ({ field: Field.verb })));
    for (let row = 0; row < 3; row++) batch.addMatch(row, { ...rule, message: () => "xyz" });
    expect(batch.writeFramed(0, 3, FRAME, new ByteWriter()).count).toBe(1);
    expect(batch.writeFramed(1, 3, FRAME, new ByteWriter()).count).toBe(0);
    expect(framed(batch).text).toBe(expectedOf(batch));
  });

  it("have the matches of more rules than there is room for, and of other rules after a reload", () => {
    const batch = loadOwn(linesOf(Array.from({ length: 400 }, () => EVENT)));
    batch.latency.fill(1, 0, 400);
    for (let row = 0; row < 400; row++)
      batch.addMatch(row, shownBy([`${row} ${"x".repeat(row === 200 ? 70_000 : 500)}`]));
    for (let row = 0; row < 400; ) {
      const { count } = batch.writeFramed(row, 400, FRAME, new ByteWriter());
      expect(count).toBeGreaterThan(0);
      row += count;
    }
    for (const rules of ["before", "after", ""]) {
      batch.rules = rules;
      expect(framed(batch).text).toBe(expectedOf(batch));
    }
  });

  it("stop where they would be more than there is room for, and go on from there", () => {
    const events = Array.from({ length: 60 }, (_, n) => ({ ...EVENT, requestObject: { data: "x".repeat(500 * n) } }));
    const batch = loadOwn(linesOf(events));
    for (let row = 0; row < batch.count; row++) batch.latency[row] = 1.5;
    const { count } = batch.writeFramed(0, batch.count, FRAME, new ByteWriter());
    expect(count).toBeGreaterThan(1);
    expect(count).toBeLessThan(60);
    expect(framed(batch).text).toBe(expectedOf(batch));
  });

  it("have their messages made once, nearly all, however many there are", () => {
    // Who verifies makes them again.
    vi.stubEnv("AUDITSHIP_VERIFY", "");
    const events = Array.from({ length: 2000 }, () => ({ ...EVENT, requestObject: { data: "x".repeat(800) } }));
    const batch = loadOwn(linesOf(events));
    let made = 0;
    const rule = { ...ruleOf(""), message: () => `${made++}` } as RuleMatch;
    for (let row = 0; row < batch.count; row++) {
      batch.latency[row] = 1.5;
      batch.addMatch(row, rule);
    }
    const out = new ByteWriter();
    for (let row = 0; row < batch.count; ) row += batch.writeFramed(row, batch.count, FRAME, out).count;
    expect(made).toBeGreaterThanOrEqual(2000);
    expect(made).toBeLessThan(2200);
  });

  it("name their places: ids, and where each document and our members lie", () => {
    const batch = loadOwn(linesOf([EVENT, EVENT]), { offset: 7000 });
    batch.latency.fill(0.25, 0, 2);
    const out = new ByteWriter();
    out.text("before");
    const { count, ids, idLength, spans } = batch.writeFramed(0, 2, FRAME, out);
    expect([count, idLength]).toEqual([2, 40]);
    for (const row of [0, 1]) {
      expect(Buffer.from(ids).toString("latin1", row * 40, row * 40 + 40)).toBe(batch.at(row).id());
      const [start, members, end, after] = spans.subarray(4 * row);
      const text = (from: number, to: number) => out.bytes.toString("utf8", from, to);
      expect(`${text(start, members)}}`).toBe(JSON.stringify(EVENT));
      expect(text(members, end)).toBe(
        `,"@timestamp":"${EVENT.stageTimestamp}","auditship":{"cluster":"prod-1","node":"cp-0","source":"apiserver",` +
          `"file":"${batch.file.id}","offset":${7000 + row * (JSON.stringify(EVENT).length + 1)},"latencyMs":0.25}}`,
      );
      expect(text(end, after)).toBe("\n");
    }
  });

  it("are none of rows that say more of themselves, and none where a message throws", () => {
    const batch = loadOwn(linesOf([EVENT, EVENT]));
    batch.latency.fill(1, 0, 2);
    for (const flag of [Flag.deep, Flag.salvaged, Flag.truncated, Flag.item, Flag.reserved, Flag.dropped]) {
      batch.setFlags(0, flag);
      expect(batch.writeFramed(0, 2, FRAME, new ByteWriter()).count).toBe(0);
    }
    batch.setFlags(0, 0);
    batch.addMatch(1, {
      ...ruleOf(""),
      message: () => {
        throw new Error("no");
      },
    } as never);
    expect(batch.writeFramed(0, 2, FRAME, new ByteWriter()).count).toBe(1);
  });

  it("are none where there is no WebAssembly, and none in a frame that is too long", () => {
    const elsewhere = load(linesOf([EVENT]));
    elsewhere.latency[0] = 1;
    const out = new ByteWriter();
    expect(elsewhere.writeFramed(0, 1, FRAME, out).count).toBe(0);
    const batch = loadOwn(linesOf([EVENT]));
    batch.latency[0] = 1;
    expect(batch.writeFramed(0, 1, { ...FRAME, before: Buffer.alloc(2000) }, out).count).toBe(0);
    expect(out.length).toBe(0);
    expect(batch.writeFramed(0, 1, FRAME, out).count).toBe(1);
  });
});
