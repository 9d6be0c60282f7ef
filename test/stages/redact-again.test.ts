import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventBatch } from "../../src/event/index.js";
import { documentsOf, FILE, load, redactStage, stageHost } from "./support.js";

/** JSON as text: with keys twice, and white space. */
const space = fc.constantFrom("", "", "", " ");
const objectOf = (key: fc.Arbitrary<string>, value: fc.Arbitrary<string>) =>
  fc
    .array(fc.tuple(key, value, space), { maxLength: 4 })
    .map((members) => `{${members.map(([name, text, blank]) => `${blank}"${name}"${blank}:${blank}${text}`).join()}}`);
const arrayOf = (value: fc.Arbitrary<string>) =>
  fc
    .tuple(fc.array(value, { maxLength: 4 }), space)
    .map(([items, blank]) => `[${blank}${items.join(`${blank},`)}${blank}]`);

const text = fc
  .constantFrom("a", "b", "", "namespace", "shop", 'x"{', "\\", "}]", "x://u:secret@h", "é{[", '"namespace":"x"')
  .map((value) => JSON.stringify(value));
const variables = fc
  .array(
    fc.constantFrom(
      '{"name":"A","value":"secret-a"}',
      '{"name":"B","value":"secret-b"}',
      '{"value":1}',
      '{"name":"x://u:secret-g@h","valueFrom":{"a":"x://u:secret-h@h"}}',
    ),
    {
      maxLength: 3,
    },
  )
  .map((items) => `[${items.join()}]`);
const words = fc.constantFrom(
  '["--token","secret-c"]',
  '["-v"]',
  '["sh","-c","x y"]',
  '"run"',
  '{"a":["x://u:secret-i@h"]}',
  '[["x://u:secret-j@h"],"-v"]',
);
const key = fc.constantFrom("metadata", "namespace", "items", "name", "spec", "nam\\u0065space", "kind", "a");
const value = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    text,
    fc.constantFrom("1", "null", "true", '"Pod"'),
    arrayOf(tie("value")),
    objectOf(key, tie("value")),
    variables.map((list) => `{"env":${list}}`),
    words.map((list) => `{"args":${list}}`),
  ),
})).value;
const metadata = fc.oneof(
  fc.constantFrom("a", "b", "").map((name) => `"metadata":{"name":"x","namespace":"${name}"}`),
  objectOf(key, value).map((object) => `"metadata":${object}`),
);
const spec = fc.tuple(variables, words).map(([env, args]) => `"spec":{"containers":[{"args":${args},"env":${env}}]}`);
const item = fc
  .array(
    fc.oneof(
      metadata,
      spec,
      spec,
      fc.tuple(key, value).map(([name, any]) => `"${name}":${any}`),
    ),
    { maxLength: 4 },
  )
  .map((members) => `{${members.join()}}`);
const list = fc.tuple(
  fc.constantFrom('"kind":"PodList",', '"metadata":{"resourceVersion":"1"},', '"metadata":{"namespace":"c"},', ""),
  arrayOf(fc.oneof(item, item, item, value)),
  fc.constantFrom("", ',"kind":"List"', ',"items":[]', ',"metadata":{"namespace":"d"}'),
);
const body = fc.oneof(
  list.map(([before, items, behind]) => `{${before}"items":${items}${behind}}`),
  item,
  value,
);
const extra = fc.constantFrom(
  '{"authentication.kubernetes.io/pod-name":["x"]}',
  '{"authentication.kubernetes.io/pod-name":["x","y"]}',
  '{"scopes":["secret-d"]}',
  "{}",
);
const query = fc.constantFrom(
  "",
  "?watch=true\\u0026limit=5",
  "?token=secret-e",
  "?fieldSelector=a%3Db&watch",
  "?watch%3D1",
);
const event = fc
  .tuple(
    fc.constantFrom("pods", "secrets", "configmaps", "s\\u0065crets", "tokenreviews", "x"),
    fc.constantFrom("", ',"namespace":"shop"'),
    body,
    extra,
    query,
    fc.constantFrom("", "", ',"message":"x \\"secret-f\\""'),
    fc.boolean(),
  )
  .map(
    ([resource, namespace, object, users, uri, message, isResponse]) =>
      `{"kind":"Event","requestURI":"/p${uri}","user":{"username":"u","extra":${users}},` +
      `"objectRef":{"resource":"${resource}"${namespace}},"responseStatus":{"code":200${message}},` +
      `"${isResponse ? "responseObject" : "requestObject"}":${object}}\n`,
  );
const events = fc.array(event, { minLength: 1, maxLength: 6 }).map((lines) => lines.join(""));

describe("A stage that has seen many events, over a batch in WebAssembly memory that is loaded again and again", () => {
  it.each([{}, { configMaps: true }, { scope: "cluster" as const }])(
    "makes the same of each event as a new one that walks everything, with %j",
    (options) => {
      const stage = redactStage(options);
      const batch = new EventBatch({ capacity: 1 << 20, documents: { cluster: "", node: "", labels: {} } });
      fc.assert(
        fc.property(events, (lines) => {
          const length = batch.buffer.write(lines);
          batch.load({ bytes: batch.buffer, length, file: FILE, offset: 0 }, "apiserver");
          stage.run(batch);
          const walked = load(lines);
          redactStage({ ...options, searchFirst: false }).run(walked);
          expect(documentsOf(batch)).toBe(documentsOf(walked));
        }),
        { numRuns: 300 },
      );
    },
  );

  it("hashes each item of a list for its namespace, in whatever order they come", () => {
    const variable = '"spec":{"containers":[{"env":[{"name":"A","value":"secret"}]}]}';
    const pods = ["a", "b", "b", "ab", "a", "ba"].map((name) => `{"metadata":{"namespace":"${name}"},${variable}}`);
    const lines = `{"objectRef":{"resource":"pods"},"responseObject":{"kind":"PodList","items":[${pods}]}}\n`;
    const batch = new EventBatch({ capacity: 1 << 20, documents: { cluster: "", node: "", labels: {} } });
    batch.load({ bytes: batch.buffer, length: batch.buffer.write(lines), file: FILE, offset: 0 }, "apiserver");
    redactStage().run(batch);
    const hashes = JSON.parse(documentsOf(batch)).responseObject.items.map(
      (pod: { spec: { containers: { env: { value: string }[] }[] } }) => pod.spec.containers[0].env[0].value,
    );
    const [a, b, , ab, , ba] = hashes;
    expect(hashes).toEqual([a, b, b, ab, a, ba]);
    expect(new Set(hashes).size).toBe(4);
  });

  it("counts as many values", () => {
    fc.assert(
      fc.property(events, (lines) => {
        const counts = [true, false].map((isSeen) => {
          const host = stageHost();
          const stage = redactStage({ host });
          for (let time = 0; time < 2; time++) {
            const batch = load(lines);
            (isSeen ? stage : redactStage({ host })).run(batch);
          }
          return [...host.counts].sort();
        });
        expect(counts[0]).toEqual(counts[1]);
      }),
      { numRuns: 150 },
    );
  });
});
