import { beforeAll, describe, expect, test } from "vitest";
import type { EventBatch } from "../../src/event/index.js";
import { Field } from "../../src/plugin/index.js";
import { match } from "../sinks/support.js";
import { SEARCH_SERVERS } from "./search-server.js";
import { Shipping } from "./shipping.js";

// The forms in which KubeSphere's console asks: pkg/simple/client/auditing/elasticsearch/elasticsearch.go and
// pkg/utils/esutil/esutil.go of release-3.4. Values of one filter are a `should`, filters are a `filter`.
const any = (...should: object[]) => ({ bool: { should, minimum_should_match: 1 } });
const phrases = (field: string, ...values: string[]) =>
  any(...values.map((value) => ({ match_phrase: { [field]: value } })));
const prefixes = (field: string, ...values: string[]) =>
  any(...values.map((value) => ({ match_phrase_prefix: { [field]: value } })));
const fuzzy = (field: string, value: string) => any({ wildcard: { [field]: `*${value}*` } });
const since = (time: string) => ({ range: { RequestReceivedTimestamp: { gte: time } } });
const between = (gte: string, lte: string) => ({ range: { RequestReceivedTimestamp: { gte, lte } } });
/** Namespaces and workspaces that a user may see, each from its creation on; "" for those who may see all. */
const tenant = (namespaces: string[], workspaces: string[], created = "2020-01-01T00:00:00Z") =>
  any(
    ...namespaces.map((name) => ({
      bool: { filter: [{ match_phrase: { "ObjectRef.Namespace.keyword": name } }, since(created)] },
    })),
    ...workspaces.map((name) => ({
      bool: { filter: [{ match_phrase: { "Workspace.keyword": name } }, since(created)] },
    })),
  );

/** What the console counts. */
interface Counts {
  aggregations: {
    cardinality_aggregation: { value: number };
    date_histogram_aggregation: { buckets: { doc_count: number }[] };
  };
}

/** The days from `start` to `end`, as indices. */
function indicesOf(prefix: string, start: string, end: string): string {
  const names: string[] = [];
  for (let day = Date.parse(start.slice(0, 10)); day <= Date.parse(end); day += 86_400_000) {
    names.push(`${prefix}-${new Date(day).toISOString().slice(0, 10).replaceAll("-", ".")}`);
  }
  return names.join();
}

const event = (auditID: string, received: string, more: object) => ({
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  level: "Metadata",
  auditID,
  stage: "ResponseComplete",
  requestURI: "/",
  verb: "get",
  user: { username: "ann", uid: "1", groups: ["dev", "system:authenticated"] },
  sourceIPs: ["10.0.3.17", "192.168.1.2"],
  requestReceivedTimestamp: received,
  stageTimestamp: received,
  ...more,
});

const LONG_GROUPS = Array.from({ length: 60 }, (_, n) => `team-${n}`);
const EVENTS = [
  event("pod", "2026-11-21T08:00:00.000001Z", {
    level: "RequestResponse",
    verb: "create",
    objectRef: { resource: "pods", namespace: "shop", name: "web-7d9f-x2x", subresource: "exec", apiVersion: "v1" },
    responseStatus: { metadata: {}, code: 201 },
    requestObject: { spec: { containers: [{ name: "a" }] } },
  }),
  event("deployment", "2026-11-21T09:00:00.000000Z", {
    verb: "delete",
    user: { username: "bob", groups: LONG_GROUPS },
    sourceIPs: ["172.16.0.9"],
    objectRef: { resource: "deployments", namespace: "shop-test", name: "web", apiGroup: "apps", apiVersion: "v1" },
    responseStatus: { metadata: {}, status: "Failure", reason: "Forbidden", code: 403 },
  }),
  event("node", "2026-11-21T10:00:00.000000Z", {
    user: { username: "system:node:a" },
    objectRef: { resource: "nodes", name: "a", apiVersion: "v1" },
    responseStatus: { metadata: {}, code: 200 },
  }),
  event("health", "2026-11-21T11:00:00.000000Z", {
    requestURI: "/healthz",
    responseStatus: { metadata: {}, code: 200 },
  }),
  event("received", "2026-11-21T12:00:00.000000Z", {
    stage: "RequestReceived",
    objectRef: { resource: "pods", namespace: "shop" },
  }),
  event("watch", "2026-11-21T23:59:50.000000Z", {
    verb: "watch",
    objectRef: { resource: "secrets", namespace: "shop", apiVersion: "v1" },
    responseStatus: { metadata: {}, code: 200 },
    stageTimestamp: "2026-11-22T00:09:50.000000Z",
  }),
];
const ALL = EVENTS.map(({ auditID }) => auditID);
const WORKSPACES: Record<string, string> = { shop: "team-a", "shop-test": "team-b" };

for (const server of SEARCH_SERVERS) {
  describe.skipIf(!server.url)(`KubeSphere's console on ${server.name}`, () => {
    const prefix = `ks-e2e-${process.pid}-auditing`;
    let shipping: Shipping;

    beforeAll(async () => {
      shipping = await Shipping.to(server, `${prefix}-{date}`, "kubesphere");
      const rule = match({ message: (view) => `${view.text(Field.userUsername)} opened a shell` });
      const prepare = (batch: EventBatch) => {
        for (const [row, { objectRef }] of (EVENTS as { objectRef?: { namespace?: string } }[]).entries()) {
          const workspace = WORKSPACES[objectRef?.namespace ?? ""];
          if (workspace !== undefined) batch.annotate(row, "workspace", workspace);
        }
        batch.addMatch(0, rule);
      };
      expect(
        await shipping.ship(
          EVENTS.map((each) => JSON.stringify(each)),
          prepare,
        ),
      ).toBe(0);
    });

    /** The auditIDs of what a filter finds in a range of times, in the order of the console. */
    async function ids(
      filter: object[],
      [start, end] = ["2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"],
    ): Promise<unknown[]> {
      const query = { bool: { filter: [...filter, between(start, end)] } };
      const sort = [{ RequestReceivedTimestamp: "asc" }];
      const { hits } = await shipping.search({ query, sort, from: 0 }, indicesOf(prefix, start, end));
      return hits.hits.map((hit) => hit._source.AuditID);
    }

    test.each<[string, object, string[]]>([
      ["by namespace", phrases("ObjectRef.Namespace.keyword", "shop"), ["pod", "received", "watch"]],
      ["by a part of a namespace", fuzzy("ObjectRef.Namespace.keyword", "hop-"), ["deployment"]],
      ["by workspace", phrases("Workspace.keyword", "team-a", "team-b"), ["pod", "deployment", "received", "watch"]],
      ["by a part of a workspace", fuzzy("Workspace.keyword", "-b"), ["deployment"]],
      ["by name", phrases("ObjectRef.Name.keyword", "web"), ["deployment"]],
      ["by a part of a name", fuzzy("ObjectRef.Name.keyword", "9f-x"), ["pod"]],
      ["by verb", phrases("Verb.keyword", "create", "watch"), ["pod", "watch"]],
      ["by level", phrases("Level.keyword", "RequestResponse"), ["pod"]],
      ["by a part of an address", fuzzy("SourceIPs.keyword", "16.0.9"), ["deployment"]],
      ["by the second address", fuzzy("SourceIPs.keyword", "192.168.1.2"), ALL.filter((id) => id !== "deployment")],
      ["by user", phrases("User.Username.keyword", "system:node:a"), ["node"]],
      ["by a part of a user", fuzzy("User.Username.keyword", "node"), ["node"]],
      ["by a part of a group", fuzzy("User.Groups.keyword", "m-59"), ["deployment"]],
      [
        "by the beginning of a resource",
        prefixes("ObjectRef.Resource", "pod", "deploy"),
        ["pod", "deployment", "received"],
      ],
      ["by the beginning of a subresource", prefixes("ObjectRef.Subresource", "ex"), ["pod"]],
      ["by status code", any({ terms: { "ResponseStatus.code": [403, 201] } }), ["pod", "deployment"]],
      ["by status", phrases("ResponseStatus.status.keyword", "Failure"), ["deployment"]],
      ["as a tenant of a namespace", tenant(["shop-test"], []), ["deployment"]],
      ["as a tenant of a workspace", tenant([], ["team-a"]), ["pod", "received", "watch"]],
      ["as a tenant, since its creation", tenant(["shop"], [], "2026-11-21T11:30:00Z"), ["received", "watch"]],
      ["as a cluster's admin", tenant(["", "shop", "shop-test"], ["", "team-a"]), ALL],
      ["as a cluster's admin, of no namespace", tenant([""], []), ["node", "health"]],
      ["as a cluster's admin, of no workspace", tenant([], [""]), ["node", "health"]],
    ])("finds events %s", async (_, filter, expected) => {
      expect(await ids([filter])).toEqual(expected);
    });

    test("finds a watch across midnight on the day and at the time that it was requested", async () => {
      const watch = phrases("Verb.keyword", "watch");
      expect(await ids([watch], ["2026-11-21T23:00:00Z", "2026-11-21T23:59:59Z"])).toEqual(["watch"]);
      expect(await ids([watch], ["2026-11-22T00:00:00Z", "2026-11-22T23:00:00Z"])).toEqual([]);
      const [found] = await shipping.find(watch, `${prefix}-2026.11.21`);
      expect(found).toMatchObject({
        StageTimestamp: "2026-11-22T00:09:50.000000Z",
        "@timestamp": "2026-11-22T00:09:50.000000Z",
      });
    });

    test("counts requests and draws them over time", async () => {
      const query = { bool: { filter: [tenant(["", "shop", "shop-test"], [""]), since("2026-11-21T00:00:00Z")] } };
      const aggs = {
        cardinality_aggregation: { cardinality: { field: "AuditID.keyword" } },
        // The console says `interval`, which servers of today call so.
        date_histogram_aggregation: { date_histogram: { field: "RequestReceivedTimestamp", fixed_interval: "1h" } },
      };
      const { aggregations } = await shipping.search<Counts>({ query, aggs, size: 0 });
      expect(aggregations.cardinality_aggregation.value).toBe(ALL.length);
      const { buckets } = aggregations.date_histogram_aggregation;
      expect(buckets.map(({ doc_count }) => doc_count)).toEqual([1, 1, 1, 1, 1, ...Array(10).fill(0), 1]);
    });

    test("shows what its columns read", async () => {
      const [pod] = await shipping.find(phrases("AuditID.keyword", "pod"));
      expect(pod).toMatchObject({
        RequestReceivedTimestamp: "2026-11-21T08:00:00.000001Z",
        Verb: "create",
        Workspace: "team-a",
        Message: "ann opened a shell",
        ObjectRef: { Namespace: "shop", Resource: "pods", Name: "web-7d9f-x2x", Subresource: "exec" },
        ResponseStatus: { code: 201 },
        User: { Username: "ann" },
        SourceIPs: "10.0.3.17,192.168.1.2",
        RequestObject: '{"spec":{"containers":[{"name":"a"}]}}',
      });
      const [received] = await shipping.find(phrases("AuditID.keyword", "received"));
      expect(received).toMatchObject({ Stage: "RequestReceived", ResponseStatus: null, Message: "" });
    });
  });
}
