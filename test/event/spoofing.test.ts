import { describe, expect, it } from "vitest";
import { FIELD_PATHS, Field, Flag } from "../../src/plugin/index.js";
import { fieldOf } from "./oracle.js";
import { documentOf, load, rowsOf } from "./support.js";

/** What kube-apiserver would write for a client that sends `body`, with other client-made texts. */
const line = (body: string, texts: { uri?: string; agent?: string; id?: string; tail?: string } = {}) =>
  `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"${texts.id ?? "id-1"}",` +
  `"stage":"ResponseComplete","requestURI":"${texts.uri ?? "/api/v1/pods"}","verb":"create",` +
  `"user":{"username":"mallory","groups":["system:authenticated"]},"sourceIPs":["10.0.0.1"],` +
  `"userAgent":"${texts.agent ?? "curl"}","objectRef":{"resource":"pods","namespace":"default","name":"p","apiVersion":"v1"},` +
  `"responseStatus":{"metadata":{},"code":201},"requestObject":${body},"responseObject":${body},` +
  `"requestReceivedTimestamp":"2024-05-01T02:03:04.000000Z","stageTimestamp":"2024-05-01T02:03:05.000000Z",` +
  `"annotations":{"authorization.k8s.io/decision":"allow"}${texts.tail ?? ""}}`;

/** A tail of an event as a client would like it to be. */
const FAKE_TAIL =
  ',"requestReceivedTimestamp":"1999-01-01T00:00:00Z","stageTimestamp":"1999-01-01T00:00:00Z","annotations":{}}';
const quoted = (text: string) => JSON.stringify(text);

describe("what a client puts into its own event", () => {
  it.each([
    ["a verb in a body", line('{"verb":"get","user":{"username":"admin"},"auditID":"other","stage":"Panic"}')],
    ["a whole event in a body", line(line('{"verb":"get"}'))],
    ["a whole event as text in a body", line(`{"data":{"x":${quoted(line('{"verb":"get"}'))}}}`)],
    ["an EventList in a body", line('{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"verb":"get"}]}')],
    ["items in a body", line('{"items":[{"verb":"get"}]}')],
    ["an array of events as a body (JSON patch)", line('[{"verb":"get"},{"auditID":"x"}]')],
    ["the tail of an event as text", line(`{"a":${quoted(FAKE_TAIL)}}`)],
    ["the tail of an event as a key", line(`{${quoted(FAKE_TAIL)}:1}`)],
    ["the tail of an event as members", line(`{"a":{"b":1${FAKE_TAIL}}`)],
    [
      "the tail of an event without the quote's escape's backslash",
      line(`{"a":"\\\\","b":"x${FAKE_TAIL.replaceAll('"', "\\u0022")}"}`),
    ],
    ["members in the URI", line("{}", { uri: '/x?\\",\\"verb\\":\\"get\\",\\"a\\":\\"' })],
    ["escaped quotes in the user agent", line("{}", { agent: "\\u0022,\\u0022verb\\u0022:\\u0022get" })],
    ["backslashes at the end of the user agent", line("{}", { agent: "\\\\\\\\" })],
    ["members in the Audit-ID", line("{}", { id: '\\",\\"stage\\":\\"Panic' })],
    ["brackets in strings", line('{"a":"}}}]]]","b":"{{{[[["}')],
    ["braces in keys", line('{"}":{"{":1},"]":["["]}')],
    ["keys of an object's prototype", line('{"__proto__":{"verb":"get"},"constructor":{"prototype":{}},"toString":1}')],
    ["escaped keys in a body", line('{"\\u0076erb":"get","\\u0075ser":{"username":"admin"}}')],
    [
      "look-alikes of keys",
      line("{}", { tail: ',"Verb ":"get"," verb":"get","verb\\u0000":"get","vеrb":"get","VERB":"get"' }),
    ],
    ["a long unknown key that ends like a known one", line("{}", { tail: `,"${"x".repeat(65_536)}verb":"get"` })],
    ["nulls and numbers for a body", line("null")],
    ["an empty body", line('""')],
    ["raw bytes that are no text", line('"\u007f\u2028\u2029"')],
  ])("stays where it was put: %s", (_, text) => {
    const batch = load(`${text}\n`);
    expect(rowsOf(batch)).toEqual(["event"]);
    const event = JSON.parse(text);
    const view = batch.at(0);
    for (const [field, path] of FIELD_PATHS.entries()) {
      const expected = fieldOf(event, path);
      const actual = view.text(field);
      if (typeof expected === "string") expect([path, actual]).toEqual([path, expected]);
      else expect([path, actual === undefined ? undefined : JSON.parse(actual)]).toEqual([path, expected]);
    }
    expect([view.text(Field.verb), view.text(Field.userUsername)]).toEqual(["create", "mallory"]);
    expect(view.text(Field.stageTimestamp)).toBe("2024-05-01T02:03:05.000000Z");
    expect(batch.flags(0) & ~Flag.irregular).toBe(0);
    expect(JSON.parse(documentOf(view))).toMatchObject(event);
  });

  it("does not end the line early or begin another one", () => {
    const text = line('{"a":"\\n{\\"kind\\":\\"Event\\"}"}');
    expect(rowsOf(load(`${text}\n${text}\n`))).toEqual(["event", "event"]);
  });

  it("cannot be taken for what auditship says of the event", () => {
    const claim = '"auditship":{"matches":[],"workspace":"innocent"},"@timestamp":"1999-01-01T00:00:00Z"';
    const inBody = JSON.parse(documentOf(load(line(`{${claim}}`)).at(0)));
    expect(inBody.requestObject.auditship.workspace).toBe("innocent");
    expect(inBody.auditship.workspace).toBeUndefined();
    expect(inBody["@timestamp"]).toBe("2024-05-01T02:03:05.000000Z");
    const atTop = load(line("{}", { tail: `,${claim}` }));
    expect(atTop.flags(0) & Flag.reserved).toBe(Flag.reserved);
    const document = JSON.parse(documentOf(atTop.at(0)));
    expect(document.auditship.workspace).toBeUndefined();
    expect(document["@timestamp"]).toBe("2024-05-01T02:03:05.000000Z");
  });
});

describe("a field that stands twice", () => {
  it.each([
    ['"objectRef":{"resource":"secrets"},"objectRef":{"name":"n"}', "objectRef", '{"name":"n"}'],
    ['"objectRef":{"resource":"secrets"},"objectRef":null', "objectRef", "null"],
    ['"objectRef":{"resource":"secrets","resource":"pods"}', "objectRef.resource", "pods"],
    ['"objectRef":{"resource":"secrets"},"\\u006fbjectRef":{"resource":"pods"}', "objectRef.resource", "pods"],
    ['"verb":"get","verb":{"verb":"list"}', "verb", '{"verb":"list"}'],
    ['"user":{"username":"a"},"user":{"user":{"username":"b"}}', "user.username", undefined],
  ])("is its last value, as for JSON.parse: %s", (members, path, expected) => {
    const text = `{${members}}`;
    const event = JSON.parse(text);
    const view = load(text).at(0);
    const field = FIELD_PATHS.indexOf(path);
    expect(view.text(field)).toBe(expected);
    const oracle = fieldOf(event, path);
    expect(typeof oracle === "object" ? JSON.stringify(oracle) : oracle).toBe(expected);
    if (path !== "objectRef.resource") expect(view.text(Field.objectRefResource)).toBeUndefined();
  });
});
