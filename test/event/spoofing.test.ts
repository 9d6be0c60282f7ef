import { describe, expect, it } from "vitest";
import { FIELD_PATHS, Field, Flag } from "../../src/plugin/index.js";
import { fieldOf, wrongField } from "./oracle.js";
import { eventLine, SPOOFS } from "./spoofs.js";
import { documentOf, load, loadOwn, rowsOf } from "./support.js";

describe("what a client puts into its own event", () => {
  it.each(SPOOFS)("stays where it was put: %s", (_, text) => {
    for (const batch of [load(`${text}\n`), loadOwn(`${text}\n`)]) {
      expect(rowsOf(batch)).toEqual(["event"]);
      const view = batch.at(0);
      expect(wrongField(view, JSON.parse(text))).toBeUndefined();
      expect([view.text(Field.verb), view.text(Field.userUsername)]).toEqual(["create", "mallory"]);
      expect(view.text(Field.stageTimestamp)).toBe("2024-05-01T02:03:05.000000Z");
      expect(batch.flags(0) & ~Flag.irregular).toBe(0);
      expect(JSON.parse(documentOf(view))).toMatchObject(JSON.parse(text));
    }
  });

  it("does not end the line early or begin another one", () => {
    const text = eventLine('{"a":"\\n{\\"kind\\":\\"Event\\"}"}');
    expect(rowsOf(load(`${text}\n${text}\n`))).toEqual(["event", "event"]);
  });

  it("cannot be taken for what auditship says of the event", () => {
    const claim = '"auditship":{"matches":[],"workspace":"innocent"},"@timestamp":"1999-01-01T00:00:00Z"';
    const inBody = JSON.parse(documentOf(load(eventLine(`{${claim}}`)).at(0)));
    expect(inBody.requestObject.auditship.workspace).toBe("innocent");
    expect(inBody.auditship.workspace).toBeUndefined();
    expect(inBody["@timestamp"]).toBe("2024-05-01T02:03:05.000000Z");
    const atTop = load(eventLine("{}", { tail: `,${claim}` }));
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
