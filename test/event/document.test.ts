import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteWriter, Field, Flag, type RuleMatch } from "../../src/plugin/index.js";
import { eventText, itemsOf } from "./oracle.js";
import { documentOf, FILE, hasSamples, lineOf, load, ORIGIN, sample, spanOf } from "./support.js";

const ours = (text: string) => JSON.parse(text).auditship;

const match: RuleMatch = {
  rule: 'a "rule"',
  dialect: "sigma",
  priority: "high",
  rank: 5,
  actions: ["alerting"],
  tags: [],
  facts: {},
  message: (event) => `${event.text(Field.verb)} \ud800 \u2028`,
};

describe("a document", () => {
  it("is the line and our two members behind it", () => {
    const line = '{"verb":"get", "stageTimestamp":"2024-05-01T02:03:05.200000Z" ,"n":9007199254740993}';
    const batch = load(`{}\n${line}\n`, { offset: 1000 });
    expect(documentOf(batch.at(1))).toBe(
      `${line.slice(0, -1)},"@timestamp":"2024-05-01T02:03:05.200000Z","auditship":{"cluster":"prod-1","node":"cp-0",` +
        `"source":"apiserver","file":"${FILE.id}","offset":1003}}`,
    );
  });

  it("parses to what the line parses to, and to our two members", () => {
    fc.assert(
      fc.property(eventText, (text) => {
        const line = JSON.parse(text);
        fc.pre(itemsOf(line) === undefined);
        const batch = load(`${text}\n`);
        const document = documentOf(batch.at(0));
        const { "@timestamp": timestamp, auditship, ...rest } = JSON.parse(document);
        const reserved = Object.hasOwn(line, "@timestamp") || Object.hasOwn(line, "auditship");
        delete line["@timestamp"];
        delete line.auditship;
        expect(rest).toEqual(line);
        expect(Number.isNaN(Date.parse(timestamp))).toBe(false);
        expect(auditship.offset).toBe(0);
        if (!reserved) expect(document.startsWith(text.slice(0, text.lastIndexOf("}")))).toBe(true);
        expect(topLevelKeys(document, "@timestamp")).toBe(1);
        expect(topLevelKeys(document, "auditship")).toBe(1);
      }),
      { numRuns: 1500 },
    );
  });

  it.skipIf(!hasSamples)("of every line of a real log is the line, byte for byte, and our members", () => {
    const data = sample("samples/apiserver-real/audit.jsonl.gz");
    const lines = data.toString().split("\n").filter(Boolean);
    const batch = load(data, { maxRows: 20_000 });
    const out = new ByteWriter();
    for (const [row, line] of lines.entries()) {
      out.clear();
      batch.at(row).writeDocument(out, { id: true });
      const document = Buffer.from(out.view()).toString();
      const members = document.slice(line.length - 1);
      if (!document.startsWith(line.slice(0, -1))) expect(row).toBe("a prefix");
      const { "@timestamp": timestamp, auditship } = JSON.parse(`{${members.slice(1)}`);
      if (timestamp !== JSON.parse(line).stageTimestamp) expect(row).toBe("the stageTimestamp");
      if (auditship.id !== batch.at(row).id()) expect(row).toBe("the id");
    }
  });

  it("has no comma before our members when the event is empty", () => {
    expect(documentOf(load("{}").at(0))).toMatch(/^{"@timestamp":"2024-05-01T02:03:04.500Z","auditship":{"cluster"/);
    expect(JSON.parse(documentOf(load("{ \t}").at(0)))).toHaveProperty("auditship");
  });

  it("says everything known about the event, and leaves out what is empty", () => {
    const batch = load('{"verb":"get"}\n{"items":[{},{"verb":"list"}]}\n', {
      documents: { cluster: "", node: "n", labels: { env: "prod", "a.b/c": 'x"y' } },
    });
    batch.rules = "r1";
    batch.latency[2] = 12.3456;
    batch.annotate(2, "workspace", "team-a");
    batch.annotate(2, "redaction", "");
    batch.annotate(2, "tags", ["x", "y"]);
    batch.annotate(2, "none", []);
    batch.annotate(2, "score", 0);
    batch.addMatch(2, match);
    expect(ours(documentOf(batch.at(2), { id: true }))).toEqual({
      node: "n",
      source: "apiserver",
      labels: { env: "prod", "a.b/c": 'x"y' },
      file: FILE.id,
      offset: 15,
      item: 2,
      latencyMs: 12.346,
      workspace: "team-a",
      tags: ["x", "y"],
      score: 0,
      rules: "r1",
      matches: [{ rule: 'a "rule"', priority: "high", dialect: "sigma", message: "list \ud800 \u2028" }],
      id: batch.at(2).id(),
    });
    expect(ours(documentOf(batch.at(0)))).toEqual({
      node: "n",
      source: "apiserver",
      labels: { env: "prod", "a.b/c": 'x"y' },
      file: FILE.id,
      offset: 0,
    });
  });

  it("gives latencies with up to three decimals", () => {
    const batch = load("{}");
    const written = [0, 1, 0.0004, 0.001, 3.1, 10.25, 1234567.891, -0.5, -0.0001, 999.9996].map((latency) => {
      batch.latency[0] = latency;
      return /"latencyMs":([^,}]+)/.exec(documentOf(batch.at(0)))![1];
    });
    expect(written).toEqual(["0", "1", "0", "0.001", "3.1", "10.25", "1234567.891", "-0.5", "0", "1000"]);
  });

  it("turns to another file and source with the next batch", () => {
    const batch = load("{}");
    const bytes = Buffer.from("{}\n");
    const file = { ...FILE, id: "B".repeat(16), time: 0 };
    batch.load({ bytes, length: 3, file, offset: 5_000_000_000 }, "other");
    const document = JSON.parse(documentOf(batch.at(0)));
    expect(document["@timestamp"]).toBe("1970-01-01T00:00:00.000Z");
    expect(document.auditship).toMatchObject({ source: "other", file: file.id, offset: 5_000_000_000 });
  });

  it("holds the redacted line, and messages made from it", () => {
    const batch = load('{"verb":"secret","requestObject":{"data":"secret"}}');
    batch.addMatch(0, match);
    batch.edit(0, ...spanOf(batch, '"secret"'), Buffer.from('"get"'));
    batch.edit(0, ...spanOf(batch, '{"data":"secret"}'), Buffer.from('"gone"'));
    const document = documentOf(batch.at(0));
    expect(document).not.toContain("secret");
    expect(JSON.parse(document)).toMatchObject({ verb: "get", requestObject: "gone" });
    expect(ours(document).matches[0].message).toBe("get \ud800 \u2028");
  });

  it("copies the event's own time if it is valid", () => {
    const timestamp = (line: string) => JSON.parse(documentOf(load(line).at(0)))["@timestamp"];
    expect(timestamp('{"stageTimestamp":"2024-05-01T02:03:05+02:00"}')).toBe("2024-05-01T02:03:05+02:00");
    expect(timestamp('{"stageTimestamp":"2024\\u002d05-01T02:03:05Z"}')).toBe("2024-05-01T02:03:05Z");
    expect(timestamp('{"stageTimestamp":"now","requestReceivedTimestamp":"2024-05-01T02:03:05Z"}')).toBe(
      "2024-05-01T02:03:04.500Z",
    );
    expect(timestamp('{"stageTimestamp":null,"timestamp":"2018-05-01T02:03:05Z"}')).toBe("2018-05-01T02:03:05Z");
    const batch = load('{"stageTimestamp":"2024-05-01T02:03:05Z"}');
    batch.edit(0, ...spanOf(batch, '"2024-05-01T02:03:05Z"'), Buffer.from('"hidden"'));
    expect(JSON.parse(documentOf(batch.at(0)))["@timestamp"]).toBe("2024-05-01T02:03:04.500Z");
  });

  it("leaves KubeSphere's own Workspace as it is", () => {
    const batch = load('{"AuditID":"a","Workspace":"theirs"}');
    batch.annotate(0, "workspace", "ours");
    const document = JSON.parse(documentOf(batch.at(0)));
    expect([document.Workspace, document.auditship.workspace]).toEqual(["theirs", "ours"]);
  });

  it("marks a salvaged event", () => {
    const batch = load('{"half{"kind":"Event","apiVersion":"audit.k8s.io/v1"}');
    expect(batch.flags(1) & Flag.salvaged).toBe(Flag.salvaged);
    expect(ours(documentOf(batch.at(1)))).toMatchObject({ salvaged: true, offset: 6 });
  });

  it("can be written as our members alone", () => {
    const batch = load('{"verb":"get"}');
    const out = new ByteWriter(8);
    batch.at(0).writeMembers(out);
    const members = JSON.parse(Buffer.from(out.view()).toString());
    const { verb, ...document } = JSON.parse(documentOf(batch.at(0)));
    expect(members).toEqual(document);
    expect(verb).toBe("get");
  });
});

describe("a line with members named like ours", () => {
  it.each([
    ['{"@timestamp":"1999-01-01T00:00:00Z","verb":"get"}', { verb: "get" }],
    ['{"verb":"get", "auditship" : {"matches":[]} }', { verb: "get" }],
    [
      '{"a":1,"\\u0040timestamp":2,"b":{"auditship":3},"auditship":4,"auditship":5,"c":6}',
      { a: 1, b: { auditship: 3 }, c: 6 },
    ],
    ['{"auditship":"x"}', {}],
  ])("loses them in the document: %s", (line, rest) => {
    const batch = load(`${line}\n`);
    const document = documentOf(batch.at(0));
    const { "@timestamp": timestamp, auditship, ...foreign } = JSON.parse(document);
    expect(foreign).toEqual(rest);
    expect(timestamp).toBe("2024-05-01T02:03:04.500Z");
    expect(auditship).toEqual({ ...ORIGIN, labels: undefined, source: "apiserver", file: FILE.id, offset: 0 });
    expect(topLevelKeys(document, "@timestamp")).toBe(1);
    expect(topLevelKeys(document, "auditship")).toBe(1);
    expect(lineOf(batch.at(0))).toBe(line);
  });

  it("is redacted all the same", () => {
    const batch = load('{"verb":"get","auditship":"s1","requestObject":{"a":"s2"}}');
    batch.edit(0, ...spanOf(batch, '"s1"'), Buffer.from('"x"'));
    batch.edit(0, ...spanOf(batch, '"s2"'), Buffer.from('"y"'));
    const document = documentOf(batch.at(0));
    expect(JSON.parse(document)).toMatchObject({ verb: "get", requestObject: { a: "y" } });
    expect(document).not.toContain("s2");
  });
});

describe("the document of an invalid line", () => {
  it("has place, reason, length and hash, and no byte of it", () => {
    const line = '{"secret":"value"';
    const batch = load(`{}\n${line}\n`);
    const expected = {
      "@timestamp": "2024-05-01T02:03:04.500Z",
      auditship: {
        cluster: "prod-1",
        node: "cp-0",
        source: "apiserver",
        file: FILE.id,
        offset: 3,
        invalid: { reason: "syntax", length: 17, sha256: createHash("sha256").update(line).digest("hex") },
      },
    };
    expect(JSON.parse(documentOf(batch.at(1)))).toEqual(expected);
    expect(JSON.parse(lineOf(batch.at(1)))).toEqual(expected);
    expect(ours(documentOf(batch.at(1), { id: true })).id).toBe(batch.at(1).id());
  });
});

/** How often a key stands at the top level of valid JSON text, escapes seen through. */
function topLevelKeys(text: string, key: string): number {
  let depth = 0;
  let count = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}[\]]/gs)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else if (depth === 1 && token.endsWith(":") && JSON.parse(token.slice(0, -1)) === key) count++;
  }
  return count;
}
