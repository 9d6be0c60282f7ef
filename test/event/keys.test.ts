import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Field, Keys } from "../../src/plugin/index.js";
import { withWebAssembly } from "../support/web-assembly.js";
import { load, loadOwn } from "./support.js";

type Batch = ReturnType<typeof load>;

/** Names of the keys that are found in the body of the only event; undefined if that cannot be told. */
function found(batch: Batch, names: readonly string[], keys = new Keys(names)): string[] | undefined {
  const event = batch.at(0);
  const count = batch.findKeys(keys, event.start(Field.requestObject), event.end(Field.requestObject));
  return count < 0 ? undefined : [...batch.foundKeys.subarray(0, count)].map((key) => names[key]).sort();
}

const batchOf = (body: string) => loadOwn(`{"verb":"get","requestObject":${body},"abc":1}\n`);

/** All keys of all objects. */
function keysOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const own = Array.isArray(value) ? [] : Object.keys(value);
  return [...own, ...Object.values(value).flatMap(keysOf)];
}

const letter = fc.constantFrom("a", "b", ".", "/", "é", " ", ":");
const name = fc
  .array(fc.constantFrom("a", "b", "ab", "a/", "é"), { minLength: 1, maxLength: 5, size: "max" })
  .map((letters) => letters.join(""));
const names = fc.uniqueArray(name.filter(Keys.isFindable), { minLength: 1, maxLength: 12 });
const text = fc
  .array(fc.oneof(letter, fc.constantFrom('"', "\\", "\n", "&", '":')), { maxLength: 40 })
  .map((l) => l.join(""));
const value = (keys: fc.Arbitrary<string>) =>
  fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(text, fc.integer(), fc.constant(null)),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(keys, tie("value"), { maxKeys: 5 }),
    ),
  })).value;

withWebAssembly();

describe("the search for keys", () => {
  it("finds those that keys of compact JSON end with, and no others", () => {
    let hits = 0;
    fc.assert(
      fc.property(
        names,
        fc.dictionary(fc.oneof(name, text), value(fc.oneof(name, text)), { maxKeys: 6 }),
        (wanted, body) => {
          const batch = batchOf(JSON.stringify(body));
          const expected = wanted.filter((end) => keysOf(body).some((key) => key.endsWith(end)));
          const actual = found(batch, wanted);
          hits += expected.length;
          // A string with escapes may hide a key, and one before white space look like a key.
          const json = JSON.stringify(body);
          if (actual === undefined) expect(json).toContain("\\");
          else if (/\\|"\s/.test(json)) expect(actual).toEqual(expect.arrayContaining(expected));
          else expect(actual).toEqual(expected.sort());
        },
      ),
      { numRuns: 500 },
    );
    expect(hits).toBeGreaterThan(100);
  });

  it.each([
    ['{"abc":1}', ["abc"]],
    ['{"xabc":1}', ["abc"]],
    ['{"abcx":1,"x":"abc","y":["abc"]}', []],
    ['{"abc" :1}', ["abc"]],
    ['{"abc"\t\r:1}', ["abc"]],
    ['{"a":{"x":[{"abc":{}}]}}', ["abc"]],
    ['{"a":"{\\"abc\\":1}"}', []],
    ['{"bc":1}', []],
    ['{"ab\\u0063":1}', undefined],
    ['{"ab\\u0063d":1,"abc":1}', undefined],
    ['{"a":"x \\u0026\\u0026 y","abc":1}', ["abc"]],
    ['{"a":"\\u00e9\\n\\/","abc":1}', ["abc"]],
    ['"abc"', []],
  ])("of abc finds in %s: %j", (body, expected) => {
    expect(found(batchOf(body), ["abc"])).toEqual(expected);
  });

  it("gives no answer if an escape may stand for a character of a key", () => {
    expect(found(batchOf('{"a":"\\/"}'), ["a/b"])).toBeUndefined();
    expect(found(batchOf('{"a":"\\u00e9"}'), ["abé"])).toBeUndefined();
    expect(found(batchOf('{"a":"\\ud83d\\ude00"}'), ["a😀"])).toBeUndefined();
  });

  it("gives no answer outside of WebAssembly's memory", () => {
    expect(found(load('{"requestObject":{"abc":1}}\n'), ["abc"])).toBeUndefined();
  });

  it("makes room for other keys, and has none for too many", () => {
    const batch = batchOf('{"key-7":1,"key-300":1}');
    const set = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
    const first = new Keys(set("key-", 500));
    for (let i = 0; i < 10; i++) {
      expect(found(batch, set("key-", 500), first)).toEqual(["key-300", "key-7"]);
      expect(found(batch, set("other-", 500))).toEqual([]);
    }
    expect(found(batch, set("key-", 5000))).toBeUndefined();
  });
});
