import { describe, expect, it } from "vitest";
import { Metrics } from "../../src/observe/meter.js";
import { KubeSphereEvents } from "../../src/pipeline/kubesphere-events.js";
import { type Batch, ByteWriter, Field, Flag, type Logger } from "../../src/plugin/index.js";
import type { Webhook } from "../../src/rules/index.js";
import { auditLine, batchOf } from "../support/batches.js";

/** As KubeSphere's API server writes it. */
const own = (bodies: object = {}) =>
  JSON.stringify({
    Devops: "",
    Workspace: "team-a",
    Level: "RequestResponse",
    AuditID: "own",
    Stage: "ResponseComplete",
    RequestURI: "/kapis/x",
    Verb: "create",
    User: { username: "ann" },
    ObjectRef: { Resource: "pods", Namespace: "shop", Name: "a" },
    RequestObject: { kind: "Pod", spec: { hostNetwork: true } },
    ResponseObject: { kind: "Status" },
    StageTimestamp: "2026-11-21T00:00:00.000000Z",
    ...bodies,
  });

const bodies = { requestObject: { kind: "Pod" }, responseObject: { kind: "Pod" } };
const webhook = (of: Partial<Webhook>): Webhook => ({ place: {}, receivers: [], unused: [], ...of });

function document(batch: Batch, row: number): string {
  const out = new ByteWriter();
  batch.at(row).writeDocument(out);
  return Buffer.from(out.view()).toString();
}

/** Runs a batch of one of KubeSphere's own events and one of Kubernetes' through it. */
function run(resource: Webhook | undefined, lines = [own(), auditLine(1, bodies)]) {
  const warnings: string[] = [];
  const log: Logger = { debug() {}, info() {}, error() {}, warn: (_, message) => void warnings.push(message) };
  const metrics = new Metrics();
  const events = new KubeSphereEvents(log, metrics);
  events.use(resource);
  const batch = batchOf(lines);
  events.run(batch);
  return { batch, metrics, warnings, events };
}

describe("auditLevel of the Webhook resource", () => {
  it.each([
    ["Metadata", null, null],
    ["Request", { kind: "Pod", spec: { hostNetwork: true } }, null],
    ["RequestResponse", { kind: "Pod", spec: { hostNetwork: true } }, { kind: "Status" }],
  ] as const)(
    "%s leaves of KubeSphere's own events what it names, for rules and for what leaves",
    (auditLevel, request, response) => {
      const { batch, metrics } = run(webhook({ auditLevel, k8sAuditingEnabled: true }));
      expect(JSON.parse(document(batch, 0))).toMatchObject({
        AuditID: "own",
        RequestObject: request,
        ResponseObject: response,
      });
      const view = batch.at(0);
      expect(JSON.parse(view.text(Field.requestObject)!)).toEqual(request);
      expect(JSON.parse(view.text(Field.responseObject)!)).toEqual(response);
      const { "@timestamp": _, auditship: __, ...kubernetes } = JSON.parse(document(batch, 1));
      expect(kubernetes).toEqual(JSON.parse(auditLine(1, bodies)));
      const removed = [request, response].filter((body) => body === null).length;
      expect(metrics.get("auditship_audit_level_bodies_total", "test")).toBe(removed);
    },
  );

  it("None drops KubeSphere's own events, counted once, and no other", () => {
    const { batch, metrics, events } = run(webhook({ auditLevel: "None", k8sAuditingEnabled: true }));
    events.run(batch);
    expect([0, 1].map((row) => (batch.flags(row) & Flag.dropped) !== 0)).toEqual([true, false]);
    expect(metrics.get("auditship_dropped_events_total", "test")).toBe(1);
  });

  it("has nothing to take out of what is shorter than null", () => {
    const line = own({ RequestObject: {}, ResponseObject: null });
    const { batch, metrics } = run(webhook({ auditLevel: "Metadata" }), [line]);
    expect(JSON.parse(document(batch, 0))).toMatchObject({ RequestObject: {}, ResponseObject: null });
    expect(metrics.get("auditship_audit_level_bodies_total", "test")).toBe(0);
  });

  it("changes nothing of an event's id", () => {
    expect(
      run(webhook({ auditLevel: "Metadata" }))
        .batch.at(0)
        .id(),
    ).toBe(batchOf([own()]).at(0).id());
  });
});

describe("k8sAuditingEnabled of the Webhook resource", () => {
  it.each([
    ["is false", webhook({ k8sAuditingEnabled: false }), 1],
    ["is not set", webhook({}), 1],
    ["is true", webhook({ k8sAuditingEnabled: true }), 0],
    ["has no resource to stand in", undefined, 0],
  ])("warns once that requests may appear twice where both logs are read and it %s", (_, resource, times) => {
    const { batch, events, metrics, warnings } = run(resource);
    events.run(batch);
    expect(warnings).toHaveLength(times);
    expect(metrics.get("auditship_requests_twice")).toBe(times);
    expect([0, 1].map((row) => batch.flags(row) & Flag.dropped)).toEqual([0, 0]);
    events.use(webhook({ k8sAuditingEnabled: true }));
    expect(metrics.get("auditship_requests_twice")).toBe(0);
  });

  it("warns of nothing where one log is read", () => {
    expect(run(webhook({}), [own()]).warnings).toEqual([]);
    expect(run(webhook({}), [auditLine(1)]).warnings).toEqual([]);
  });
});
