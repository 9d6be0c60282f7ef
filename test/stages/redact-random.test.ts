import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { documentOf, documentsOf, equalElsewhere, goJson, load, redactStage } from "./support.js";

/** A planted secret: nothing else looks like it, in plain or in base64. */
const secret = fc
  .tuple(
    fc.string({ unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789"), minLength: 8, maxLength: 24 }),
    fc.constantFrom("", "ä", "<&>", " ", "/+"),
  )
  .map(([text, tail]) => `PLANTED${text}${tail}`);
const base64 = (text: string) => Buffer.from(text).toString("base64");
const jwtOf = (text: string) =>
  `eyJhbGciOiJIUzI1NiJ9.${Buffer.from(JSON.stringify({ sub: text })).toString("base64url")}.c2ln`;
const word = fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => !/PLANTED|eyJ/.test(text));
const label = fc.string({ unit: fc.constantFrom(..."abcxyz"), minLength: 1, maxLength: 8 });

/** A body with a secret in it, the resource it is of, and the secret's forms in it. */
interface Planted {
  resource: string;
  body: unknown;
}

const secretObject = (value: string, name: string) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name },
  data: { [name]: base64(value) },
  stringData: { [name]: value },
});
const podSpec = (value: string, name: string) => ({
  containers: [
    {
      name,
      image: "i",
      env: [
        { name: "LEVEL", value: "info" },
        { name: `${name}_PASSWORD`, value },
      ],
      args: ["--token", value, "-v"],
    },
    {
      name: "b",
      command: ["sh", "-c", `mysql --password='${value}' -h db`],
      env: [{ name: "DB", value: `pg://u:${value.trim()}@db` }],
    },
  ],
});
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const applied = (object: unknown) => ({ metadata: { annotations: { [LAST_APPLIED]: `${JSON.stringify(object)}\n` } } });

const planted: fc.Arbitrary<Planted> = fc.tuple(secret, label, word).chain(([value, name, note]) =>
  fc.constantFrom<Planted>(
    { resource: "secrets", body: { ...secretObject(value, name), note } },
    { resource: "secrets", body: { data: { [name]: base64(value), n: null } } },
    { resource: "secrets", body: { kind: "SecretList", items: [{ data: { [name]: base64(value) } }, {}] } },
    { resource: "secrets", body: { kind: "Table", rows: [{ cells: [name], object: secretObject(value, name) }] } },
    { resource: "secrets", body: [{ op: "add", path: `/data/${name}`, value: base64(value) }] },
    { resource: "secrets", body: [{ op: "replace", path: "/stringData", value: { [name]: value, note } }] },
    { resource: "secrets", body: [{ op: "test", path: "", value: secretObject(value, name) }] },
    { resource: "secrets", body: applied(secretObject(value, name)) },
    { resource: "lists", body: { kind: "List", items: [{ kind: "Pod", note }, secretObject(value, name)] } },
    { resource: "lists", body: { type: "MODIFIED", object: secretObject(value, name) } },
    { resource: "lists", body: { note: JSON.stringify({ deep: JSON.stringify(secretObject(value, name)) }) } },
    { resource: "pods", body: { kind: "Pod", spec: podSpec(value, name), note } },
    { resource: "pods", body: applied({ kind: "Pod", spec: podSpec(value, name) }) },
    { resource: "deployments", body: { spec: { template: { spec: podSpec(value, name) } } } },
    { resource: "deployments", body: [{ op: "add", path: "/spec/template/spec", value: podSpec(value, name) }] },
    { resource: "pods", body: [{ op: "replace", path: "/spec/containers/0/env/1/value", value }] },
    {
      resource: "pods",
      body: [
        { op: "add", path: "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration", value: value },
      ],
    },
    { resource: "serviceaccounts", body: { kind: "TokenRequest", status: { token: value } } },
    { resource: "tokenreviews", body: { spec: { token: value } } },
    { resource: "certificatesigningrequests", body: { spec: { request: base64(value), note } } },
    { resource: "widgets", body: { spec: { text: `${note} ${jwtOf(value)}`, copy: base64(`x${jwtOf(value)}`) } } },
    {
      resource: "widgets",
      body: { spec: { url: `amqp://u:${value.trim().replace(/\s/g, "")}@h/${note}`.replace(/[\s"'<>`]/g, "") } },
    },
    {
      resource: "widgets",
      body: { spec: [note, `-----BEGIN EC PRIVATE KEY-----\n${value}\n-----END EC PRIVATE KEY-----`] },
    },
  ),
);

/** Members that mean something elsewhere, with values that look like something. */
const noise = fc.dictionary(
  fc.constantFrom("items", "rows", "object", "name", "op", "message", "url", "patch", "cells", "extra", "token"),
  fc.constantFrom<unknown>(null, 1, [], {}, "Secret", "[{", "eyJ", "://", "{", { kind: "Pod" }, [{ name: "a" }]),
  { maxKeys: 3, noNullPrototype: true },
);
/** A body with such members before its own; as it is if it is no object, or has one of them. */
const amid = (body: unknown, members: object): unknown =>
  Array.isArray(body) || Object.keys(members).some((key) => key in (body as object))
    ? body
    : { ...members, ...(body as object) };

/** JSON in one of the ways that writers write it, equal for JSON.parse. */
type Spelling = (value: unknown) => string;
const spelling: fc.Arbitrary<Spelling> = fc.constantFrom<Spelling>(
  goJson,
  JSON.stringify,
  (value) => JSON.stringify(value, null, " ").replaceAll("\n", " "),
  (value) => JSON.stringify(value).replaceAll("/", "\\/"),
  // Every letter `e` of a key or value escaped, and every capital.
  (value) =>
    JSON.stringify(value).replace(/(?<!\\)[eA-Z](?=[^"\\]*")/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`),
);

const event = (uri: string, request: unknown, response: unknown, resource: string) => ({
  kind: "Event",
  requestURI: uri,
  verb: "update",
  objectRef: { resource, namespace: "shop" },
  requestObject: request,
  responseObject: response,
});

describe("Random events", () => {
  it("never show a planted secret, are valid JSON, and equal the original outside what was redacted", () => {
    fc.assert(
      fc.property(planted, planted, noise, spelling, ({ resource, body }, other, members, spell) => {
        // The other body is of its own resource only where it says so itself.
        const response = other.resource === resource ? other.body : body;
        const original = event("/api", amid(body, members), response, resource);
        const batch = load(`${spell(original)}\n`);
        redactStage().run(batch);
        const document = documentOf(batch);
        const { "@timestamp": _time, auditship, ...after } = JSON.parse(document);
        const text = JSON.stringify(after);
        expect(text).not.toMatch(/PLANTED|UExBTlRFR|BMQU5URU|QTEFOVEVE/);
        expect(text).toContain("hmac:");
        expect(auditship.redaction).toBeUndefined();
        expect(equalElsewhere(original, after)).toBe(true);
      }),
      { numRuns: 600 },
    );
  });

  /** JSON of any shape, with the words that matter in unexpected places. */
  const anyWord = fc.oneof(
    word,
    fc.constantFrom(
      "kind",
      "Secret",
      "ConfigMap",
      "data",
      "stringData",
      "env",
      "name",
      "value",
      "args",
      "command",
      "token",
      "request",
      "path",
      "PASSWORD",
      "-p",
      "mysql",
      "--token",
      "TokenReview",
      "SecretList",
      "CertificateSigningRequest",
      "metadata",
      "annotations",
      "message",
      "error",
      "auths",
      "auth",
      "extra",
      "clientConfig",
      "url",
      "cells",
      "patch",
      "items",
      "Status",
      "SelfSubjectReview",
    ),
    fc.constantFrom(
      "--password=x",
      "http://u:p@h",
      "http://t@h/?a=b",
      "H4sIAAAA",
      "current-context: x",
      'kind: "Secret"',
      "'kind' :  'Secret'",
      "kind:  Secret",
      base64("kind: Secret"),
      base64(' "token" : "x"'),
      '"kind" : "SecretList"',
      "abcdef.0123456789abcdef",
      "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
      "hooks.slack.com/services/T0/B0/0123456789abcdefgh",
      'Invalid value: "x"',
      base64(JSON.stringify({ kind: "x" })),
      jwtOf("x"),
      base64(jwtOf("x")),
      "/data/a",
      "/env/0/value",
      LAST_APPLIED,
      "PRIVATE KEY",
      "-----BEGIN PRIVATE KEY-----",
      "@",
      "://",
      "eyJ",
      '{"',
      "[{",
      '{"env":',
      "\n",
      "\\u0065yJ",
    ),
    fc.json({ maxDepth: 2 }),
  );
  const anyJson = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      anyWord,
      fc.integer(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(anyWord, tie("value"), { maxKeys: 4, noNullPrototype: true }),
      tie("text"),
    ),
    text: tie("value").map((value) => JSON.stringify(value)),
  })).value;
  const resource = fc.constantFrom("secrets", "configmaps", "pods", "tokenreviews", "x");
  const query = fc.array(
    fc.tuple(fc.constantFrom("watch", "token", "command", "labelSelector", "x", "pass%77ord"), anyWord),
    { maxLength: 3 },
  );
  const uriOf = (pairs: [string, string][]) =>
    `/p?${pairs.map(([name, text]) => `${name}=${encodeURIComponent(Buffer.from(text).toString())}`).join("&")}`;

  it("come out the same whether everything is walked or searched first", () => {
    fc.assert(
      fc.property(
        anyJson,
        anyJson,
        anyJson,
        resource,
        query,
        spelling,
        fc.boolean(),
        (request, response, annotations, of, pairs, spell, configMaps) => {
          const original = {
            ...event(uriOf(pairs), request, response, of),
            annotations,
            userAgent: annotations,
            user: { username: "u", extra: request },
            responseStatus: { message: response },
          };
          const [searched, walked] = [true, false].map((searchFirst) => {
            const batch = load(`${spell(original)}\n${spell({ verb: "get" })}\n`);
            redactStage({ searchFirst, configMaps }).run(batch);
            return documentsOf(batch);
          });
          expect(searched).toBe(walked);
          const { "@timestamp": _time, auditship: _ours, ...after } = JSON.parse(searched.split("\n")[0]);
          expect(equalElsewhere(original, after) || JSON.stringify(original).includes("hmac:")).toBe(true);
        },
      ),
      { numRuns: 1500 },
    );
  });
});
