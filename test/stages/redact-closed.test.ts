import { describe, expect, it } from "vitest";
import { Field, Flag } from "../../src/plugin/index.js";
import { documentOf, load, loadEvents, redactStage, stageHost } from "./support.js";

const REF = '"objectRef":{"resource":"secrets","namespace":"shop"}';

/** Redacts one line; gives the document. */
function redactLine(line: string, host = stageHost()): string {
  const batch = load(`${line}\n`);
  redactStage({ host }).run(batch);
  expect(batch.count).toBe(1);
  return documentOf(batch);
}

describe("What must not slip through", () => {
  it.each([
    [
      "a key twice in an object",
      `{${REF},"requestObject":{"data":{"a":"cGxhbnRlZA==","a":"x"},"data":{"b":"cGxhbnRlZA=="}}}`,
    ],
    ["a body twice", `{${REF},"requestObject":{"data":{"a":"cGxhbnRlZA=="}},"requestObject":{}}`],
    ["a kind twice", '{"requestObject":{"kind":"Secret","kind":"Pod","stringData":{"a":"planted"}}}'],
    ["an escaped key", '{"requestObject":{"kind":"Secret","d\\u0061ta":{"a":"cGxhbnRlZA=="}}}'],
    ["an escaped kind", '{"requestObject":{"kind":"\\u0053ecret","stringData":{"a":"planted"}}}'],
    ["an escaped env", '{"requestObject":{"\\u0065nv":[{"name":"KEY","value":"planted"}]}}'],
    ["an escaped name", '{"requestObject":{"env":[{"name":"\\u004bEY","value":"planted"}]}}'],
    ["a name twice", '{"requestObject":{"env":[{"name":"KEY","name":"LEVEL","value":"planted"}]}}'],
    ["a value twice", '{"requestObject":{"env":[{"name":"KEY","value":"planted","value":"b"}]}}'],
    ["a URL in the name of a variable", '{"requestObject":{"env":[{"name":"http://u:planted@h","value":"x"}]}}'],
    ["a URL in what a variable is from", '{"requestObject":{"env":[{"name":"a","from":{"x":"http://u:planted@h"}}]}}'],
    ["a URL in arguments that are an object", '{"requestObject":{"args":{"database":"http://u:planted@h"}}}'],
    ["a URL in an argument that is an object", '{"requestObject":{"command":[{"a":["http://u:planted@h"]}]}}'],
    ["an escaped URL", '{"requestObject":{"x":"http:\\/\\/u:planted@h"}}'],
    ["an escaped URL in the user agent", '{"userAgent":"http:\\/\\/u:planted\\u0040h"}'],
    ["a member that no event has", '{"extra":{"kind":"Secret","stringData":{"a":"planted"}}}'],
    ["a body under another case", '{"verb":"get","requestobject":{"kind":"Secret","stringData":{"a":"planted"}}}'],
    ["white space", '{ "requestObject" : { "kind" : "Secret" , "stringData" : { "a" : "planted" } } }'],
    ["a path twice in a JSON patch", `{${REF},"requestObject":[{"path":"/data/a","path":"/x","value":"planted"}]}`],
    [
      "a path without a slash in a JSON patch",
      `{${REF},"requestObject":[{"op":"add","path":"","value":{"stringData":{"a":"planted"}}}]}`,
    ],
    ["a body that is a string", `{${REF},"requestObject":"{\\"stringData\\":{\\"a\\":\\"planted\\"}}"}`],
    [
      "a KubeSphere line",
      '{"ObjectRef":{"Resource":"secrets"},"RequestObject":{"stringData":{"a":"planted"}},"Verb":"create"}',
    ],
    [
      "an item of an EventList",
      `{"kind":"EventList","items":[{"auditID":"1",${REF},"requestObject":{"stringData":{"a":"planted"}}}]}`,
    ],
    ["a misspelt data", `{${REF},"requestObject":{"Data":{"a":"planted"}}}`],
    ["a misspelt data beside the kind", `{${REF},"requestObject":{"kind":"Secret","Data":{"a":"planted"}}}`],
    ["one in a whole document", `{${REF},"requestObject":[{"op":"add","path":"","value":{"Data":{"a":"planted"}}}]}`],
    [
      "a path that is none in a JSON patch",
      `{${REF},"requestObject":[{"op":"add","path":"data","value":{"a":"planted"}}]}`,
    ],
    ["a JSON patch without a path", `{${REF},"requestObject":[{"op":"add","path":1,"value":"planted"}]}`],
    ["other members of a JSON patch", `{${REF},"requestObject":[{"Op":"add","Path":"/data/a","Value":"planted"}]}`],
    ["a JSON patch of something else", `{${REF},"requestObject":["planted",["planted"]]}`],
    ["a body that is text", `{${REF},"requestObject":"planted"}`],
    ["a probe's header", '{"requestObject":{"httpGet":{"httpHeaders":[{"name":"Authorization","value":"planted"}]}}}'],
    [
      "a kubeconfig in JSON",
      '{"requestObject":{"a":"{\\"kind\\":\\"Config\\",\\"users\\":[{\\"user\\":{\\"token\\":\\"planted\\"}}]}"}}',
    ],
    ["a misspelt path", `{${REF},"requestObject":[{"op":"add","path":"/Data/a","value":"planted"}]}`],
    [
      "a cause of a failure without a message of its own",
      '{"responseStatus":{"code":422,"details":{"causes":[{"message":"Invalid value: \\"planted\\""}]}}}',
    ],
    ["misspelt annotations", `{${REF},"requestObject":{"metadata":{"name":"n","anotations":{"a":"planted"}}}}`],
    ["metadata that are a list", `{${REF},"requestObject":{"metadata":["planted"]}}`],
    ["a misspelt path in metadata", `{${REF},"requestObject":[{"path":"/metadata/anotations/a","value":"planted"}]}`],
    ["misspelt annotations in a patch", `{${REF},"requestObject":[{"path":"/metadata","value":{"note":"planted"}}]}`],
    ["a query in a URI with escapes", '{"requestURI":"/x?a=b\\u0026tok\\u0065n=planted"}'],
  ])("hides a secret under %s", (_, line) => {
    const document = redactLine(line);
    expect(document).not.toMatch(/planted|cGxhbnRlZA/);
    expect(document).toContain("hmac:");
    JSON.parse(document);
  });

  it("shows redacted values to whoever reads the event from then on", () => {
    const batch = loadEvents({ userAgent: "eyJh.eyJi.c", requestURI: "/x?token=planted" });
    redactStage().run(batch);
    expect(batch.at(0).text(Field.requestURI)).toMatch(/^\/x\?token=hmac:/);
    expect(batch.at(0).text(Field.userAgent)).toMatch(/^hmac:/);
  });
});

describe("What cannot be read safely", () => {
  const deep = (depth: number) =>
    `${'{"a":'.repeat(depth)}{"kind":"Secret","stringData":{"a":"planted"}}${"}".repeat(depth)}`;

  it("loses the body and keeps the event if it goes too deep", () => {
    const host = stageHost();
    const document = redactLine(`{"auditID":"1","requestObject":${deep(600)},"responseObject":{"data":{}}}`, host);
    expect(JSON.parse(document)).toMatchObject({
      auditID: "1",
      requestObject: "redacted: unreadable",
      responseObject: { data: {} },
      auditship: { redaction: "requestObject: too-deep" },
    });
    expect(host.counts.get("auditship_redacted_bodies_total too-deep")).toBe(1);
  });
  it("loses the body if it has more nodes than can be opened", () => {
    const host = stageHost();
    const document = redactLine(
      `{${REF},"requestObject":{"stringData":{"a":"planted"},"x":[${"0,".repeat(1_100_000)}0]}}`,
      host,
    );
    expect(document).toContain('"requestObject":"redacted: unreadable"');
    expect(document).toContain('"redaction":"requestObject: unreadable"');
    expect(document).not.toContain("planted");
  });
  it("loses the body if the walk itself fails, so that none of it is left half redacted", () => {
    const host = stageHost({
      openTape: () => {
        throw new Error("a bug");
      },
    });
    const stage = redactStage({ host });
    const batch = loadEvents({
      requestObject: { kind: "Secret", stringData: { a: "x" }, metadata: { name: '{"env":[]}' } },
      verb: "create",
    });
    stage.run(batch);
    expect(JSON.parse(documentOf(batch))).toMatchObject({
      verb: "create",
      requestObject: "redacted: unreadable",
      auditship: { redaction: "requestObject: failed" },
    });
  });
  it("loses a URI that is too long to be read, and keeps the event", () => {
    const document = redactLine(JSON.stringify({ requestURI: `/x?command=-x=${"A=true,".repeat(3_400_000)}planted` }));
    expect(JSON.parse(document)).toMatchObject({
      requestURI: "redacted: unreadable",
      auditship: { redaction: "requestURI: failed" },
    });
  });
  it("hashes the value that a message quotes, however long it is", () => {
    const message = `x: Invalid value: "${"planted ".repeat(2_000_000)}": no`;
    const { responseStatus } = JSON.parse(redactLine(JSON.stringify({ responseStatus: { message } })));
    expect(responseStatus.message).toMatch(/^x: Invalid value: "hmac:[^ ]*": no$/);
  });
  it("hashes a string that holds JSON too deep to walk, and keeps the body", () => {
    const text = deep(600);
    const document = redactLine(`{"requestObject":{"note":${JSON.stringify(text)}}}`);
    expect(JSON.parse(document).requestObject.note).toMatch(/^hmac:/);
  });
});

describe("The stage", () => {
  it("leaves invalid and dropped rows alone, and counts what it replaced by kind", () => {
    const host = stageHost();
    const secret = `{${REF},"requestObject":{"stringData":{"a":"x","b":"y"}},"requestURI":"/x?token=t"}`;
    const batch = load(`not JSON\n${secret}\n${secret}\n`);
    batch.setFlags(1, Flag.dropped);
    redactStage({ host }).run(batch);
    expect(batch.flags(1) & Flag.edited).toBe(0);
    expect(Object.fromEntries(host.counts)).toEqual({
      "auditship_redacted_values_total secret": 2,
      "auditship_redacted_values_total query": 1,
    });
  });
  it("is required, so that nothing unredacted leaves when it fails", () => {
    expect(redactStage().required).toBe(true);
  });
  it("hides each Secret in a list of 16 MB", () => {
    const item = (n: number) => ({
      metadata: { name: `s${n}` },
      data: { a: Buffer.from("planted".repeat(100)).toString("base64") },
    });
    const items = Array.from({ length: 16_500 }, (_, n) => item(n));
    const document = redactLine(
      JSON.stringify({ objectRef: { resource: "secrets" }, responseObject: { kind: "SecretList", items } }),
    );
    const { responseObject } = JSON.parse(document);
    expect(responseObject.items).toHaveLength(items.length);
    expect(document).not.toMatch(/cGxhbnRlZ/);
  });
  it("finishes on text made to be slow: quadratic time would be hours", () => {
    const repeated = [
      "://a:",
      "://a:80/@ ",
      "://a@",
      "-----BEGIN PRIVATE KEY",
      "eyJ.",
      "V5S ",
      "ZXlK",
      "xoxb-",
      "hooks.slack.com/services/",
      "kind: 'Secret",
      "a=",
      "--password ",
      "'",
      '"env"',
      "%65",
      "?",
      "?limit=1",
      "\\\\u0065",
    ];
    for (const part of repeated) {
      const text = JSON.stringify(part.repeat(100_000));
      redactLine(
        `{"requestObject":{"note":${text},"args":["-c",${text}],"env":[{"name":"X","value":${text}}]},"requestURI":${text}}`,
      );
    }
  }, 120_000);
});
