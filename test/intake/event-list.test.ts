import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linesOf } from "../../src/intake/event-list.js";

/** The lines of a body, as it comes with room for one more byte. */
function split(text: string): string | undefined {
  return linesOf(Buffer.from(`${text}\0`))
    ?.map(String)
    .join("");
}

const HEAD = '"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{}';

describe("a posted list", () => {
  it("of kube-apiserver becomes a line for each event, byte for byte", () => {
    const events = ['{"auditID":"1","n":1.0,"s":"\\u003c\\/"}', '{"auditID":"2","requestObject":{"items":[{"a":[]}]}}'];
    expect(split(`{${HEAD},"items":[${events}]}\n`)).toBe(`${events.join("\n")}\n`);
  });

  it("of KubeSphere, whose key is capitalised, is one, too", () => {
    expect(split('{"Items":[{"AuditID":"1"}]}')).toBe('{"AuditID":"1"}\n');
  });

  it("may be printed on many lines: breaks between tokens become spaces", () => {
    expect(split(`{\r\n "items" : [\n  {\n    "a": 1\n  }, \n  {}\n ]\n}\n`)).toBe('{     "a": 1   }\n{}\n');
  });

  it.each([
    ["no items", `{${HEAD},"items":[]}`],
    ["items that are null, as Go writes none", '{"items":null}'],
  ])("with %s is empty", (_, text) => expect(split(text)).toBe(""));

  it.each([
    ["nothing", ""],
    ["no JSON", "<html>"],
    ["an array", "[{}]"],
    ["a single event", '{"kind":"Event","auditID":"1"}'],
    ["an item that is no object", '{"items":[{},1]}'],
    ["items that are no array", '{"items":{}}'],
    ["something behind it", '{"items":[]} {}'],
    ["no end", '{"items":[{}'],
    ["an item without an end", '{"items":[{"a":"]}'],
    ["a comma too many", '{"items":[{},]}'],
    ["a key without a value", '{"items":[],"a"}'],
  ])("is refused with %s", (_, text) => expect(split(text)).toBeUndefined());

  it("gives what JSON.parse finds in it, whatever is in the events", () => {
    fc.assert(
      fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), fc.boolean(), (items, spaced) => {
        const lines = split(JSON.stringify({ metadata: { items: 1 }, items }, null, spaced ? 2 : 0));
        const parsed = lines!
          .split("\n")
          .slice(0, -1)
          .map((line) => JSON.parse(line));
        expect(parsed).toEqual(JSON.parse(JSON.stringify(items)));
      }),
    );
  });

  it("is refused or split, never hung on or read beyond, however it is damaged", () => {
    const whole = `{${HEAD},"items":[{"a":"b\\n","c":[1,{"d":null}]},{"e":true}]}`;
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const body = Buffer.from(`${whole}\0`);
        body[at] = byte;
        const lines = linesOf(body);
        if (!lines) return;
        for (const line of Buffer.concat(lines).toString("latin1").split("\n").slice(0, -1)) JSON.parse(line);
      }),
    );
  });
});
