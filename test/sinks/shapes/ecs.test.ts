import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BODY_FIELDS, type Fields } from "../../../plugins/sinks/elasticsearch/shapes/body-fields.js";
import { createShape } from "../../../plugins/sinks/elasticsearch/shapes/index.js";
import { targetOf } from "../../../plugins/sinks/elasticsearch/target.js";
import { type EventView, FIELD_PATHS, Flag } from "../../../src/plugin/index.js";
import { eventText, fieldOf, itemsOf } from "../../event/oracle.js";
import { load, spanOf } from "../../event/support.js";
import { event as ruleEvent } from "../../rules/arbitraries.js";
import { stored } from "../../support/stored.js";
import { testHost } from "../support.js";
import { documentOf, documentText, shape } from "./support.js";

const ecs = shape("ecs");

const EVENT = {
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  level: "Request",
  auditID: "a-1",
  stage: "ResponseComplete",
  requestURI: "/api/v1/namespaces/shop/pods",
  verb: "create",
  user: { username: "ann", uid: "u-1", groups: ["dev"], extra: { "authentication.kubernetes.io/pod-name": ["p"] } },
  impersonatedUser: { username: "root" },
  sourceIPs: ["10.0.3.17", "192.168.1.2"],
  userAgent: "kubectl/v1.30",
  objectRef: { resource: "pods", namespace: "shop", name: "web", apiVersion: "v1" },
  responseStatus: { metadata: {}, code: 201 },
  requestObject: { kind: "Pod", metadata: { labels: { "a.b/c": "d" } }, spec: { containers: [{ image: "nginx" }] } },
  requestReceivedTimestamp: "2026-11-21T23:59:59.999999Z",
  stageTimestamp: "2026-11-22T00:10:00.000000Z",
  annotations: { "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": 'by "x"' },
};
const POD = JSON.stringify(EVENT);
const document = (line: string) => documentOf(ecs, load(`${line}\n`).at(0));

describe("a document in shape ecs", () => {
  it("is the event below kubernetes.audit, and what Elastic's schema has a name for", () => {
    const { auditship, ...rest } = document(POD);
    expect(rest).toEqual({
      "@timestamp": "2026-11-22T00:10:00.000000Z",
      ecs: { version: "8.11.0" },
      data_stream: { type: "logs", dataset: "kubernetes.audit_logs", namespace: "default" },
      host: { name: "cp-0" },
      kubernetes: {
        audit: {
          ...EVENT,
          annotations: { "authorization_k8s_io/decision": "allow", "authorization_k8s_io/reason": 'by "x"' },
        },
      },
      event: {
        kind: "event",
        module: "kubernetes",
        dataset: "kubernetes.audit_logs",
        ingested: "2026-11-21T12:00:00.000Z",
        action: "create",
        outcome: "success",
      },
      user: { name: "ann", id: "u-1" },
      user_agent: { original: "kubectl/v1.30" },
      source: { ip: ["10.0.3.17", "192.168.1.2"] },
      client: { ip: ["10.0.3.17", "192.168.1.2"] },
      orchestrator: {
        type: "kubernetes",
        cluster: { name: "prod-1" },
        api_version: "audit.k8s.io/v1",
        namespace: "shop",
        resource: { name: "web", type: "pods" },
      },
      related: { ip: ["10.0.3.17", "192.168.1.2"], user: ["ann", "u-1", "root"] },
    });
    expect(auditship).toMatchObject({ cluster: "prod-1", source: "apiserver", offset: 0 });
  });

  it("has no member for what the event does not tell", () => {
    const { auditship, "@timestamp": time, ...rest } = document('{"verb":"","user":{},"sourceIPs":[]}');
    expect(rest).toEqual({
      ecs: { version: "8.11.0" },
      data_stream: { type: "logs", dataset: "kubernetes.audit_logs", namespace: "default" },
      host: { name: "cp-0" },
      kubernetes: { audit: { verb: "", user: {}, sourceIPs: [] } },
      event: {
        kind: "event",
        module: "kubernetes",
        dataset: "kubernetes.audit_logs",
        ingested: "2026-11-21T12:00:00.000Z",
      },
      orchestrator: { type: "kubernetes", cluster: { name: "prod-1" } },
    });
    expect(document("{}").kubernetes.audit).toEqual({});
  });

  it.each([
    ['{"authorization.k8s.io/decision":"allow"}', "success"],
    ['{"authorization.k8s.io/decision" : "forbid" , "a":"b"}', "failure"],
    ['{"authorization.k8s.io/decision":"allowed"}', undefined],
    ['{"authorization_k8s_io/decision":"allow"}', undefined],
    ['{"authorization.k8s.io/decision":["allow"]}', undefined],
    ["{}", undefined],
    ['"authorization.k8s.io/decision"', undefined],
  ])("of annotations %s has the outcome %s", (annotations, outcome) => {
    expect(document(`{"annotations":${annotations}}`).event.outcome).toBe(outcome);
  });

  it("names the data stream that it goes to", () => {
    const host = testHost({ now: () => 0 });
    const into = (options: object) =>
      documentOf(createShape("ecs", host, targetOf({ shape: "ecs", ...options }, "")), load("{}").at(0)).data_stream;
    expect(into({ dataStream: "logs-kubernetes.audit_logs-prod" }).namespace).toBe("prod");
    expect(into({}).namespace).toBe("default");
    expect(into({ index: "audit" }).namespace).toBe("default");
  });

  it("spells KubeSphere's own lines as Elastic does", () => {
    const { kubernetes, user, orchestrator } = document(
      '{"AuditID":"a","Verb":"get","User":{"username":"ann"},"ObjectRef":{"Resource":"pods","APIGroup":""},"Workspace":"w","Message":""}',
    );
    expect(kubernetes.audit).toEqual({
      auditID: "a",
      verb: "get",
      user: { username: "ann" },
      objectRef: { resource: "pods", apiGroup: "" },
      Workspace: "w",
      Message: "",
    });
    expect([user.name, orchestrator.resource.type]).toEqual(["ann", "pods"]);
  });

  it("keeps members that no event of Kubernetes has, of an item of a list too", () => {
    const batch = load(
      '{"kind":"EventList","items":[{"x":1},{"verb":"get", "a.b":[1] ,"x":1,"x":"last","auditship":3}]}\n',
    );
    expect(documentOf(ecs, batch.at(1)).kubernetes.audit).toEqual({ verb: "get", "a.b": [1], x: "last" });
  });

  it("has a body as text where it is something else than a pod or a role under the names of their fields", () => {
    const bodies = (body: string) => {
      const { requestObject, requestObjectText } = document(`{"requestObject":${body}}`).kubernetes.audit;
      return requestObjectText ?? requestObject;
    };
    for (const body of [
      '{"spec":"text"}',
      '{"spec":{"type":{"a":1}}}',
      '{"spec":{"containers":[{"image":["a",{}]}]}}',
      '{"spec":{"volumes":[[{}]]}}',
      '{"rules":[1]}',
      '{"spec":1,"spec":{}}',
      '"text"',
      "1",
      `{"spec":${"[".repeat(50_000)}${"]".repeat(50_000)}}`,
    ]) {
      expect([body, bodies(body)]).toEqual([body, body]);
    }
    for (const body of [
      '{"spec":{"type":"NodePort","hostNetwork":"yes","containers":[{"image":null},null]},"status":{"phase":1},"rules":[]}',
      '[{"op":"replace","path":"/spec/type","value":{"a":1}}]',
      '{"spec":null,"webhooks":[{"clientConfig":{"url":{}}}],"metadata":{"spec":{"type":{}}}}',
      "null",
    ]) {
      expect([body, bodies(body)]).toEqual([body, JSON.parse(body)]);
    }
  });

  it("shows nothing that was redacted", () => {
    const batch = load(POD.replace("ann", "s1").replace("nginx", "s2").replace('by \\"x\\"', "s3"));
    batch.edit(0, ...spanOf(batch, '"s1"'), Buffer.from('"h1"'));
    batch.edit(0, ...spanOf(batch, '"s2"'), Buffer.from('"h2"'));
    batch.edit(0, ...spanOf(batch, '"s3"'), Buffer.from('"h3"'));
    const text = documentText(ecs, batch.at(0));
    expect(text).not.toMatch(/"s[123]"/);
    const { kubernetes, user, related } = JSON.parse(text);
    expect([user.name, related.user[0], kubernetes.audit.user.username]).toEqual(["h1", "h1", "h1"]);
    expect(kubernetes.audit.requestObject.spec.containers[0].image).toBe("h2");
    expect(kubernetes.audit.annotations["authorization_k8s_io/reason"]).toBe("h3");
  });

  it("of an invalid line is our report of it", () => {
    expect(documentOf(ecs, load('{"half\n').at(0)).auditship.invalid.reason).toBe("syntax");
  });

  it("that was refused keeps what rules ask for of the envelope, and has all else as text", () => {
    const line = POD.replace('"reason":', '"x":{"a":1},"authorization_k8s_io/reason":').replace(
      '"metadata":{}',
      '"metadata":{"a":1}',
    );
    const safe = documentOf(ecs, stored(load(line).at(0)), "why");
    const { kubernetes, auditship, ...rest } = documentOf(ecs, load(line).at(0));
    expect(safe).toMatchObject({ ...rest, auditship: { ...auditship, safeShape: "why" } });
    const { user, requestObject, annotations, responseStatus, ...envelope } = EVENT;
    expect(safe.kubernetes.audit).toEqual({
      ...envelope,
      user: { username: "ann", uid: "u-1", groups: ["dev"], extraText: JSON.stringify(user.extra) },
      responseStatus: { code: 201, metadataText: '{"a":1}' },
      requestObjectText: JSON.stringify(requestObject),
      annotations: { ...kubernetes.audit.annotations },
      annotationsText: JSON.stringify(JSON.parse(line).annotations),
    });
    expect(documentOf(ecs, stored(load("{}").at(0)), "why").kubernetes.audit).toEqual({ annotations: {} });
  });

  it.each<[string, (line: string) => EventView]>([
    ["a random event", (line) => load(`${line}\n`).at(0)],
    ["a random event from a dead letter", (line) => stored(load(`${line}\n`).at(0))],
  ])("of %s is what JSON.parse says it is", (_, view) => {
    const body = bodyOf(BODY_FIELDS).map((value) => `{"requestObject":${JSON.stringify(value)}}`);
    fc.assert(
      fc.property(fc.oneof(eventText, ruleEvent, body), (text) => {
        const line = JSON.parse(text);
        fc.pre(itemsOf(line) === undefined && !collides(line.annotations ?? line.Annotations));
        const event = view(text);
        const written = documentOf(ecs, event);
        const isGo = (event.flags() & Flag.kubesphere) !== 0;
        expect(parsed(written.kubernetes.audit)).toEqual(oracle(line, isGo));
        const field = (path: string) => fieldOf(line, path);
        expect(written.user?.name ?? "").toEqual(textOf(field("user.username")));
        expect(written.event.action ?? "").toEqual(textOf(field("verb")));
        expect(written.orchestrator.resource?.type ?? "").toEqual(textOf(field("objectRef.resource")));
        const ips = field("sourceIPs");
        const isList = Array.isArray(ips) && ips.length > 0 && ips.every((ip) => typeof ip === "string");
        expect(written.source?.ip).toEqual(isList ? ips : undefined);
        expect(written.related?.ip).toEqual(written.client?.ip);
      }),
      { numRuns: 150 },
    );
  });
});

const textOf = (value: unknown) => (typeof value === "string" ? value : "");

/** `kubernetes.audit`, built from the parsed event without a look at bytes. */
function oracle(line: Record<string, unknown>, isGo: boolean): Record<string, unknown> {
  const audit = new Map<string, unknown>();
  const known = new Set(["@timestamp", "auditship"]);
  for (const path of FIELD_PATHS.filter((each) => !each.includes("."))) {
    known.add(path);
    if (path !== "kind" && path !== "apiVersion") known.add(path[0].toUpperCase() + path.slice(1));
    const value = fieldOf(line, path);
    if (value === undefined) continue;
    const tails = FIELD_PATHS.filter((each) => each.startsWith(`${path}.`)).map((each) => each.slice(path.length + 1));
    if (
      /^(request|response)Object$/.test(path) &&
      value !== null &&
      !(isObjects(value) && fitsAll(value, BODY_FIELDS))
    ) {
      audit.set(`${path}Text`, value);
    } else if (path === "annotations" && isObject(value)) audit.set(path, dedotted(value));
    else if (isGo && tails.length > 0 && isObject(value)) {
      const members = tails.map((tail) => [tail, fieldOf(line, `${path}.${tail}`)]);
      audit.set(path, Object.fromEntries(members.filter(([, each]) => each !== undefined)));
    } else audit.set(path, value);
  }
  for (const key of Object.keys(line)) if (!known.has(key)) audit.set(key, line[key]);
  return Object.fromEntries(audit);
}

/** The document's, with bodies that are text parsed and annotations that are text for what they are not marked as such. */
function parsed(audit: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(audit).map(([key, value]) => {
    return /^(request|response)ObjectText$/.test(key) ? [key, JSON.parse(value as string)] : [key, value];
  });
  return Object.fromEntries(entries);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isObjects = (value: unknown) => isObject(value) || Array.isArray(value);
const isScalar = (value: unknown) => !isObjects(value);

/** Whether a template that takes objects for what has fields below it, and values for what has none, takes this. */
function fitsAll(value: unknown, fields: Fields): boolean {
  const list = Array.isArray(value) ? value : [value];
  return list.every((item) => {
    if (item === null) return true;
    if (!isObject(item)) return false;
    return Object.entries(fields).every(([name, below]) => {
      if (!Object.hasOwn(item, name)) return true;
      if (below !== null) return fitsAll(item[name], below);
      return isScalar(item[name]) || (Array.isArray(item[name]) && (item[name] as unknown[]).every(isScalar));
    });
  });
}

const dedotted = (annotations: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(annotations).map(([name, value]) => [
      name.replaceAll(".", "_"),
      typeof value === "string" ? value : expect.any(String),
    ]),
  );

/** True if two annotations have one name without dots. */
function collides(annotations: unknown): boolean {
  if (!isObject(annotations)) return false;
  const names = Object.keys(annotations);
  return new Set(names.map((name) => name.replaceAll(".", "_"))).size < names.length;
}

/** Bodies with names that the template has, and values that fit or do not. */
function bodyOf(fields: Fields): fc.Arbitrary<unknown> {
  const member = ([name, below]: [string, Fields | null]) => {
    const leaf = fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom<unknown>("a", true, 7, null, ["a", 1]) },
      { weight: 1, arbitrary: fc.constantFrom<unknown>({}, [{}], [[]]) },
    );
    return fc.option(
      (below ? bodyOf(below) : leaf).map((value) => [name, value] as const),
      { nil: undefined, freq: 2 },
    );
  };
  const object = fc
    .tuple(...Object.entries(fields).map(member))
    .map((members) => Object.fromEntries(members.filter((each) => each !== undefined)));
  return fc.oneof(
    { weight: 6, arbitrary: object },
    { weight: 4, arbitrary: fc.array(object, { maxLength: 2 }) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>("text", 1, [["a"]], null) },
  );
}
