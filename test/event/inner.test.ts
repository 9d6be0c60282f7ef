import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Field, InnerKey, Kind } from "../../src/plugin/index.js";
import { load, loadOwn } from "./support.js";

const NAMESPACE = new InnerKey("metadata", "namespace");

/** JSON as text, with white space, keys twice, and strings that look like structure. */
const space = fc.constantFrom("", "", "", " ", "\t ");
const word = fc.constantFrom(
  ...[
    "",
    "a",
    "metadata",
    "namespace",
    '"namespace"',
    "\\",
    '\\"',
    '"',
    "}",
    "{[",
    "]\\\\",
    "é",
    "x".repeat(70),
    "\\".repeat(65),
  ],
);
const text = fc.array(word, { maxLength: 3 }).map((parts) => JSON.stringify(parts.join("")));
const key = fc.oneof(fc.constantFrom('"metadata"', '"metadata"', '"namespace"', '"namespace"', '"namespaces"'), text);
const json = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6 },
    text,
    fc.constantFrom("1", "-2.5e3", "null", "true"),
    fc
      .tuple(fc.array(tie("value"), { maxLength: 5 }), space)
      .map(([items, blank]) => `[${blank}${items.join(`${blank},${blank}`)}${blank}]`),
    tie("object"),
  ),
  object: fc.tuple(fc.array(fc.tuple(key, tie("value")), { maxLength: 5 }), space).map(([members, blank]) => {
    const texts = members.map(([name, value]) => `${name}${blank}:${blank}${value}`);
    return `{${blank}${texts.join(`${blank},`)}${blank}}`;
  }),
})).object;
const line = (body: string) => `{"kind":"Event","responseObject":${body}}\n`;

/** Every value of the body: where it begins and ends, and of what kind it is. */
function valuesOf(batch: ReturnType<typeof load>) {
  const { tape, root } = batch.at(0).open(Field.responseObject)!;
  return Array.from({ length: tape.next(root) - root }, (_, i) => {
    const node = root + i;
    return { start: tape.start(node), end: tape.end(node), kind: tape.kind(node) };
  });
}

describe("the end of a value", () => {
  it("is where the tape says it is, whichever memory the bytes are in", () => {
    fc.assert(
      fc.property(json, (body) => {
        for (const batch of [load(line(body)), loadOwn(line(body), { maxRows: 4 })]) {
          for (const { start, end } of valuesOf(batch)) expect(batch.valueEnd(start)).toBe(end);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("is found however deep the value is", () => {
    const body = `${'{"a":['.repeat(400)}"]}"${"]}".repeat(400)}`;
    for (const batch of [load(line(body)), loadOwn(line(body))]) {
      const start = batch.bytes.indexOf('{"a"');
      expect(batch.valueEnd(start)).toBe(start + body.length);
    }
  });
});

describe("a member of a member", () => {
  const found = (body: string) =>
    [load(line(body)), loadOwn(line(body), { maxRows: 4 })].map((batch) => {
      const { end, start, stop, elsewhere } = batch.inner(batch.bytes.indexOf(body), NAMESPACE);
      return [
        batch.bytes.toString("utf8", start, stop),
        elsewhere,
        end - batch.bytes.indexOf(body) === Buffer.byteLength(body),
      ];
    });

  it.each<[body: string, value: string, elsewhere: boolean]>([
    ["{}", "", false],
    ['{"metadata":{"name":"x","namespace":"shop","uid":"1"},"spec":{}}', '"shop"', false],
    ['{ "metadata" : { "namespace" : "sh\\"op" } }', '"sh\\"op"', false],
    ['{"metadata":{"namespace":""}}', "", false],
    ['{"metadata":{"namespace":1}}', "", false],
    ['{"metadata":"namespace"}', "", true],
    ['{"metadata":{"labels":{"namespace":"a"}}}', "", true],
    ['{"metadata":{"namespace":"a"},"spec":{"namespace":"b"}}', '"a"', true],
    ['{"metadata":{"namespace":"a","namespace":"b"}}', '"b"', false],
    ['{"metadata":{"namespace":"a","namespace":null}}', "", false],
    ['{"metadata":{"namespace":"a"},"metadata":{"namespace":"b"}}', '"b"', false],
    ['{"metadata":{"namespace":"a"},"metadata":{"name":"b"}}', '"a"', false],
    ['{"metadata":{"namespaces":"a"},"namespace":"b"}', "", true],
    ['{"metadata":[{"namespace":"a"}]}', "", true],
    ['{"spec":"\\"namespace\\"","metadata":{"namespace":"a"}}', '"a"', false],
  ])("of %s is %s", (body, value, elsewhere) => {
    for (const each of found(body)) expect(each).toEqual([value, elsewhere, true]);
  });

  it("is the same whichever memory the bytes are in", () => {
    fc.assert(
      fc.property(json, (body) => {
        const [slow, fast] = [load(line(body)), loadOwn(line(body), { maxRows: 4 })];
        for (const { start, end, kind } of valuesOf(slow)) {
          if (kind !== Kind.object) continue;
          const expected = slow.inner(start, NAMESPACE);
          expect(expected.end).toBe(end);
          expect(fast.inner(start, NAMESPACE)).toEqual(expected);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
