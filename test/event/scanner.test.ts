import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Field, Flag, fieldOfPath } from "../../src/plugin/index.js";
import { eventText, itemsOf, jsonText, mutated, parse, tokens, wrongField } from "./oracle.js";
import { hasSamples, load, loadOwn, rowsOf, sample } from "./support.js";

/** Compares the rows of one line with what JSON.parse says. */
function expectLine(line: Buffer): void {
  for (const batch of [load(line), loadOwn(line)]) expectRows(batch, line);
}

function expectRows(batch: ReturnType<typeof load>, line: Buffer): void {
  const text = line.toString();
  const parsed = parse(text);
  if (parsed === undefined) {
    const blank = /^\0*\ufeff?[ \t\r]*$/.test(text);
    expect(rowsOf(batch).slice(0, 1)).toEqual(blank ? [] : ["syntax"]);
    return;
  }
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    expect(rowsOf(batch)).toEqual(["not-an-object"]);
    return;
  }
  const events = itemsOf(value) ?? [value];
  const isObject = (item: unknown) => typeof item === "object" && item !== null && !Array.isArray(item);
  expect(rowsOf(batch)).toEqual(events.map((item) => (isObject(item) ? "event" : "not-an-object")));
  for (const [row, event] of events.entries())
    if (isObject(event)) expect(wrongField(batch.at(row), event)).toBeUndefined();
}

describe("the scanner and JSON.parse", () => {
  it("agree on every field of objects with keys in any order, number, spelling and type", () => {
    fc.assert(
      fc.property(eventText, (text) => expectLine(Buffer.from(text))),
      { numRuns: 750 },
    );
  });

  it("agree on what is an event after random changes of bytes", () => {
    fc.assert(fc.property(mutated(eventText), expectLine), { numRuns: 1500 });
  });

  it("agree on what is an event for any JSON value and changes of it", () => {
    fc.assert(
      fc.property(jsonText, (text) => expectLine(Buffer.from(text))),
      { numRuns: 500 },
    );
    fc.assert(fc.property(mutated(jsonText), expectLine), { numRuns: 1000 });
  });

  it("agree on what is an event in any run of tokens", () => {
    fc.assert(
      fc.property(tokens, (text) => expectLine(Buffer.from(`{"a":${text}}`))),
      { numRuns: 2500 },
    );
  });

  it.each([
    "{}",
    "{ }",
    '{"a":1,}',
    '{"a":01}',
    '{"a":-}',
    '{"a":.5}',
    '{"a":1.}',
    '{"a":1e}',
    '{"a":1e+}',
    '{"a":1e400,"b":-0,"c":1E+2}',
    '{"a":+1}',
    '{"a":tru}',
    '{"a":nulll}',
    '{"a":NaN}',
    "{'a':1}",
    '{"a":"\\x"}',
    '{"a":"\\u12"}',
    '{"a":"\\u12G4"}',
    '{"a":"\\ud800"}',
    '{"a":"\t"}',
    '{"a":"\u007f\u2028"}',
    '{"a":[1,]}',
    '{"a":[,1]}',
    '{"a":[}',
    '{"a":{]}',
    '{"a":[1}]',
    '{"a":[[1}]}',
    '{"a":[{"b":1]]}',
    '{"a":{"b":[1}}}',
    '{"a":{"b":{}]}',
    '{"a"}',
    '{"a":}',
    '{"a" 1}',
    '{"a":1 "b":2}',
    '{,"a":1}',
    "{",
    "}",
    '{"a":1}}',
    '{"a":1}{"a":1}',
    '{"a":1} x',
    '{"a":1}/*x*/',
    '{"__proto__":{"verb":"x"},"constructor":1,"verb":"get"}',
    "[]",
    "[1,2",
    "1",
    "null",
    '"text"',
    "\u00a0{}",
    '{"a":1\u00a0}',
  ])("agree on %j", (text) => expectLine(Buffer.from(text)));

  it("agree on invalid UTF-8: let through inside strings, refused outside", () => {
    expectLine(Buffer.from([...Buffer.from('{"verb":"a'), 0xff, 0xc3, 0x28, 0xe2, ...Buffer.from('"}')]));
    expectLine(Buffer.from([...Buffer.from('{"verb":'), 0xc3, 0xa9, ...Buffer.from("}")]));
  });

  describe.skipIf(!hasSamples)("over the samples", () => {
    it.each([
      "samples/apiserver-real/audit.jsonl.gz",
      "samples/kubeadm-cluster/audit.jsonl.gz",
      "samples/audit2rbac_demo.jsonl",
      "falco/falco_traces.jsonl",
    ])("agree on every field of every line of %s", (name) => {
      const data = sample(name);
      const lines = data.toString().split("\n").filter(Boolean);
      const batch = load(data, { maxRows: 20_000 });
      expect(batch.count).toBe(lines.length);
      for (const [row, line] of lines.entries()) {
        const wrong = wrongField(batch.at(row), JSON.parse(line));
        if (wrong !== undefined) expect([row, wrong]).toEqual([row, undefined]);
      }
    });
  });
});

describe("the spellings of a key", () => {
  const text = (line: string, field: Field) => load(line).at(0).text(field);
  const auditID = fieldOfPath("auditID")!;
  const username = fieldOfPath("user.username")!;

  it("prefer audit's own to Go's wherever they stand", () => {
    expect(text('{"auditID":"a","AuditID":"b"}', auditID)).toBe("a");
    expect(text('{"AuditID":"b","auditID":"a"}', auditID)).toBe("a");
    expect(text('{"AuditID":"b","auditID":null,"AuditID":"c"}', auditID)).toBe("null");
    expect(text('{"user":{"Username":"b","username":"a"}}', username)).toBe("a");
  });

  it("take the members of the object that wins, not of the other one", () => {
    expect(text('{"user":{},"User":{"username":"b"}}', username)).toBeUndefined();
    expect(text('{"User":{"username":"b"},"user":{"uid":"1"}}', username)).toBeUndefined();
    expect(text('{"User":{"Username":"b"}}', username)).toBe("b");
  });

  it("clear the members of an earlier duplicate, whatever the later one is", () => {
    expect(text('{"user":{"username":"a"},"user":null}', username)).toBeUndefined();
    expect(text('{"user":{"username":"a"},"user":{"uid":"1"}}', username)).toBeUndefined();
    expect(text('{"user":{"username":"a"},"user":[]}', username)).toBeUndefined();
    expect(text('{"user":null,"user":{"username":"a"}}', username)).toBe("a");
  });

  it("tell KubeSphere's lines from kube-apiserver's", () => {
    const isKubeSphere = (line: string) => (load(line).flags(0) & Flag.kubesphere) !== 0;
    expect(
      isKubeSphere('{"kind":"Event","apiVersion":"audit.k8s.io/v1","Level":"Metadata","User":{"username":"a"}}'),
    ).toBe(true);
    expect(isKubeSphere('{"kind":"Event","level":"Metadata","Workspace":"w","Message":"m"}')).toBe(false);
    expect(isKubeSphere('{"level":"Metadata","AuditID":"x"}')).toBe(false);
    expect(isKubeSphere("{}")).toBe(false);
  });

  it("include v1beta1's timestamp as the time of last resort", () => {
    const line = '{"apiVersion":"audit.k8s.io/v1beta1","timestamp":"2018-01-02T03:04:05Z","metadata":{"name":"x"}}';
    const view = load(line).at(0);
    expect(view.timestampField()).toBe(fieldOfPath("timestamp"));
    expect(view.timeMs()).toBe(Date.UTC(2018, 0, 2, 3, 4, 5));
  });
});

describe("deeply nested lines", () => {
  const nested = (depth: number) => `{"requestObject":${"[".repeat(depth)}${"]".repeat(depth)},"verb":"get"}`;

  it("are events down to a depth of a million, without recursion", () => {
    const batch = load(nested(999_999));
    expect(rowsOf(batch)).toEqual(["event"]);
    expect(batch.at(0).text(fieldOfPath("verb")!)).toBe("get");
  });

  it.each([
    ["arrays", "[", "]"],
    ["objects", '{"a":', "1}"],
    ["both", '{"a":[', "]}"],
  ])("are flagged from 101 levels of %s on, and their neighbours are not", (_, open, close) => {
    const levels = (count: number) => {
      const times = Math.floor(count / open.replace(/[^[{]/g, "").length);
      const inner = open.endsWith(":")
        ? `${open.repeat(times)}1${"}".repeat(times)}`
        : open.repeat(times) + close.repeat(times);
      return `{"verb":"get","user":{"extra":${inner}}}`;
    };
    const batch = load(
      [levels(100), levels(102), levels(98), `{"annotations":${"[".repeat(101)}1${"]".repeat(101)}}`].join("\n"),
    );
    const deep = [0, 1, 2, 3].map((row) => (batch.flags(row) & Flag.deep) !== 0);
    expect(deep).toEqual([false, true, false, true]);
  });

  it("are invalid beyond, and do not disturb the next line", () => {
    expect(rowsOf(load(`${nested(1_000_001)}\n{}\n`))).toEqual(["too-deep", "event"]);
  });
});
