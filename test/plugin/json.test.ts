import fc from "fast-check";
import { expect, test } from "vitest";
import { members, valueEnd } from "../../src/plugin/index.js";

const read = (text: string, start = 0) => {
  const bytes = Buffer.from(text);
  return [...members(bytes, start)].map(({ key, start, end }) => [key, bytes.toString("utf8", start, end)]);
};

test("members gives each key decoded with its value's own bytes, duplicates too", () => {
  expect(read('{ "a" : 1.0 ,"\\u0061":"}\\"," , "b":[{"c":"]"}],"c":{},"d":null}')).toEqual([
    ["a", "1.0"],
    ["a", '"}\\","'],
    ["b", '[{"c":"]"}]'],
    ["c", "{}"],
    ["d", "null"],
  ]);
  expect(read("{}")).toEqual([]);
  expect(read(' [ {"a":1} ]', 3)).toEqual([["a", "1"]]);
});

test("members ends with the object, whatever stands behind it in a buffer that is used again", () => {
  for (const behind of ['\n"stale": "data"}', ',"stale": 1', '\n"\n', " "]) {
    expect(read(`{"a": 1, "b" : [2] }${behind}`)).toEqual([
      ["a", "1"],
      ["b", "[2]"],
    ]);
    expect(read(`{ }${behind}`)).toEqual([]);
  }
});

test("members agrees with JSON.parse on any object, however it is indented", () => {
  const indents = fc.constantFrom(undefined, 1, "\t");
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()), indents, (object, indent) => {
      const found = read(JSON.stringify(object, null, indent)).map(([key, text]) => [key, JSON.parse(text)]);
      expect(found).toEqual(Object.entries(JSON.parse(JSON.stringify(object))));
    }),
  );
});

test("valueEnd ends at or before the end of any bytes", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[{}[\]",:\\a1 ]*$/), (text) => {
      expect(valueEnd(Buffer.from(text), 0)).toBeLessThanOrEqual(text.length);
    }),
  );
});
