import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import alertmanager, { type AlertmanagerOptions, AlertmanagerSink } from "../../plugins/sinks/alertmanager.js";
import type { HttpAnswer, HttpClient, HttpRequest, RuleMatch, SinkState } from "../../src/plugin/index.js";
import { events, match, testHost } from "./support.js";

const NOW = Date.parse("2026-11-21T10:00:00Z");
const OPTIONS: AlertmanagerOptions = {
  labels: {},
  maxAge: 3_600_000,
  resolveAfter: 300_000,
  resendEvery: 60_000,
  maxAlerts: 1000,
  perPeer: true,
};

interface Sent {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
}

/** An Alertmanager of one or more peers; `answer` decides the status of each POST. */
class Peers implements HttpClient {
  /** What was taken, one list per POST. */
  posts: Sent[][] = [];
  requests: HttpRequest[] = [];
  down = false;
  answer: (alerts: Sent[], peer: number) => number = () => 200;
  constructor(readonly count = 1) {}

  async request(request: HttpRequest): Promise<HttpAnswer> {
    const [answer] = await this.requestAll(request);
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  }

  async requestAll(request: HttpRequest): Promise<PromiseSettledResult<HttpAnswer>[]> {
    this.requests.push(request);
    const alerts = request.body ? (JSON.parse(String(request.body)) as Sent[]) : [];
    const answers = Array.from({ length: this.count }, (_, peer) => {
      if (this.down) return { status: "rejected" as const, reason: new Error("connect ECONNREFUSED") };
      const status = this.answer(alerts, peer);
      const value = { status, headers: {}, body: new Uint8Array(), truncated: false, url: `http://am${peer}:9093` };
      return { status: "fulfilled" as const, value };
    });
    if (answers.some((answer) => answer.status === "fulfilled" && answer.value.status === 200)) this.posts.push(alerts);
    return answers;
  }

  /** All alerts that were taken. */
  get sent(): Sent[] {
    return this.posts.flat();
  }
}

let serial = 0;
/** An audit event of its own, now. */
function event(more: Record<string, unknown> = {}) {
  return {
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: "Metadata",
    auditID: `id-${++serial}`,
    stage: "ResponseComplete",
    requestURI: "/api/v1/namespaces/shop/secrets/db",
    verb: "get",
    user: { username: "alice", groups: ["dev"] },
    sourceIPs: ["10.0.0.7", "10.0.0.8"],
    userAgent: "kubectl",
    objectRef: { resource: "secrets", namespace: "shop", name: "db", apiVersion: "v1" },
    responseStatus: { code: 403 },
    requestReceivedTimestamp: new Date(Date.now()).toISOString(),
    stageTimestamp: new Date(Date.now()).toISOString(),
    annotations: { "authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": "no RBAC policy matched" },
    ...more,
  };
}

function fold(sink: AlertmanagerSink, lines: object[], rules: RuleMatch[] = [match()]): void {
  const { batch, selection } = events(...lines);
  for (let row = 0; row < batch.count; row++) for (const rule of rules) batch.addMatch(row, rule);
  sink.fold(selection);
}

function started(peers = new Peers(), options: Partial<AlertmanagerOptions> = {}, state?: SinkState) {
  const host = testHost({ cluster: "prod", node: "cp-1", labels: { env: "test" } });
  const sink = new AlertmanagerSink({ ...OPTIONS, ...options }, host, peers);
  sink.restore(state);
  return { sink, peers, told: host.told };
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("an alert", () => {
  it("is sent within 50 ms, with labels that say what is equal and annotations that say what happened", async () => {
    const { sink, peers } = started();
    fold(sink, [event({ auditID: "first" })], [match({ description: "Reads of secrets", facts: { author: "us" } })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.requests[0]).toMatchObject({
      method: "POST",
      path: "/api/v2/alerts",
      headers: { "content-type": "application/json" },
    });
    expect(peers.sent).toEqual([
      {
        labels: {
          env: "test",
          alertname: "secret-read",
          alerttype: "auditing",
          severity: "warning",
          priority: "WARNING",
          dialect: "kubesphere",
          cluster: "prod",
          node: "cp-1",
          source: "apiserver",
          user: "alice",
          verb: "get",
          resource: "secrets",
          namespace: "shop",
        },
        annotations: {
          author: "us",
          message: "a secret was read",
          description: "Reads of secrets",
          user: "alice",
          groups: "dev",
          verb: "get",
          objectRef: "secrets shop/db",
          observedAt: "prod/cp-1/apiserver",
          requestURI: "/api/v1/namespaces/shop/secrets/db",
          sourceIPs: "10.0.0.7, 10.0.0.8",
          userAgent: "kubectl",
          code: "403",
          decision: "forbid",
          reason: "no RBAC policy matched",
          count: "1",
          firstAuditID: "first",
          lastAuditID: "first",
          firstTime: "2026-11-21T10:00:00.000Z",
          lastTime: "2026-11-21T10:00:00.000Z",
        },
        startsAt: "2026-11-21T10:00:00.000Z",
        endsAt: "2026-11-21T10:03:00.020Z",
      },
    ]);
  });

  it("stands for all matches with equal labels, whatever the objects' names, and counts them", async () => {
    const { sink, peers } = started();
    fold(sink, [event({ objectRef: { resource: "secrets", namespace: "shop", name: "a" } }), event()]);
    fold(sink, [event({ auditID: "last" })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.sent).toHaveLength(1);
    expect(peers.sent[0].annotations).toMatchObject({ count: "3", lastAuditID: "last" });
  });

  it("is made of alerting matches only", async () => {
    const { sink, peers } = started();
    fold(sink, [event()], [match({ actions: ["archived"] }), match({ rule: "exec" })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.sent.map((alert) => alert.labels.alertname)).toEqual(["exec"]);
  });

  it("has the severity of its rule's rank", async () => {
    const { sink, peers } = started();
    for (const rank of [1, 2, 3, 6]) fold(sink, [event()], [match({ rule: `r${rank}`, rank })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.sent.map((alert) => alert.labels.severity)).toEqual(["info", "warning", "critical", "critical"]);
  });

  it("carries the workspace that a stage found", async () => {
    const { sink, peers } = started();
    const { batch, selection } = events(event());
    batch.addMatch(0, match());
    batch.annotate(0, "workspace", "team-a");
    sink.fold(selection);
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.sent[0].labels.workspace).toBe("team-a");
  });

  it("of an event with nothing in it but a match is sent too", async () => {
    const { sink, peers } = started();
    fold(sink, [{ kind: "Event", stageTimestamp: new Date(NOW).toISOString() }]);
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.sent[0].labels).toMatchObject({ alertname: "secret-read" });
    expect(peers.sent[0].labels).not.toHaveProperty("namespace");
  });

  it("has label names that old Alertmanagers take, and values that are cut between characters", async () => {
    const { sink, peers } = started(undefined, { labels: { "team.name": "x", "1st": "y", "a-b": "z" } });
    fold(sink, [event({ user: { username: `${"u".repeat(254)}🙂${"v".repeat(100)}` } })]);
    await vi.advanceTimersByTimeAsync(50);
    const { labels } = peers.sent[0];
    expect(labels).toMatchObject({ team_name: "x", _1st: "y", a_b: "z" });
    expect(labels.user).toBe(`${"u".repeat(254)}…`);
    expect(Object.keys(labels).every((name) => /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name))).toBe(true);
  });
});

describe("a request", () => {
  it("counts once, however many of its stages match", async () => {
    const { sink, peers } = started();
    const request = event();
    fold(sink, [{ ...request, stage: "ResponseStarted" }]);
    fold(sink, [request]);
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.sent[0].annotations.count).toBe("1");
  });

  it("counts once for each rule, and is not another's because a client chose the same auditID", async () => {
    const { sink, peers } = started();
    const request = event({ auditID: "chosen" });
    fold(sink, [request], [match(), match({ rule: "exec" })]);
    fold(sink, [{ ...request, requestURI: "/api/v1/namespaces/shop/secrets/other" }]);
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.sent.map(({ labels, annotations }) => [labels.alertname, annotations.count])).toEqual([
      ["secret-read", "2"],
      ["exec", "1"],
    ]);
  });

  it("counts once over a restart too", async () => {
    const before = started();
    const request = event();
    fold(before.sink, [{ ...request, stage: "ResponseStarted" }]);
    const { sink, peers } = started(new Peers(), {}, JSON.parse(JSON.stringify(before.sink.state())));
    fold(sink, [request]);
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.sent[0].annotations.count).toBe("1");
  });

  it("that is older than maxAge is counted as stale and not sent", async () => {
    const { sink, peers, told } = started();
    const old = new Date(NOW - 3_600_001).toISOString();
    fold(sink, [event({ stageTimestamp: old }), event()]);
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.sent.map((alert) => alert.annotations.count)).toEqual(["1"]);
    expect(told.counts.get("auditship_alerts_stale_total{test}")).toBe(1);
  });
});

describe("an active alert", () => {
  it("is sent again every resendEvery, and once with its end when it was quiet for resolveAfter", async () => {
    const { sink, peers } = started();
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    await vi.advanceTimersByTimeAsync(240_000);
    const ends = peers.sent.map((alert) => Date.parse(alert.endsAt) - NOW);
    expect(ends).toEqual([180_020, 240_020, 300_020, 360_020, 420_020]);
    await vi.advanceTimersByTimeAsync(3_600_000);
    const last = peers.sent.at(-1)!;
    expect(peers.posts.length).toBeLessThanOrEqual(7);
    expect(Date.parse(last.endsAt) - NOW).toBeGreaterThanOrEqual(300_000);
    expect(Date.parse(last.endsAt) - NOW).toBeLessThan(301_000);
    expect(sink.state().alerts).toEqual([]);
  });

  it("stays while it is matched, and is sent with its new count soon but not for each match", async () => {
    const { sink, peers } = started();
    for (let second = 0; second < 600; second++) {
      fold(sink, [event()]);
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(peers.posts.length).toBeGreaterThan(100);
    expect(peers.posts.length).toBeLessThan(150);
    expect(Number(peers.sent.at(-1)!.annotations.count)).toBeGreaterThan(594);
    expect(new Set(peers.sent.map((alert) => alert.startsAt))).toEqual(new Set(["2026-11-21T10:00:00.000Z"]));
  });

  it("survives a kill: the next agent sends it at once and knows its count", async () => {
    const before = started();
    fold(before.sink, [event(), event()]);
    const state = JSON.parse(JSON.stringify(before.sink.state()));
    const { peers } = started(new Peers(), {}, state);
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.sent).toHaveLength(1);
    expect(peers.sent[0].annotations.count).toBe("2");
  });

  it("is sent to every peer; one that is down does not keep it from the others", async () => {
    const { sink, peers } = started(new Peers(2));
    peers.answer = (_alerts, peer) => (peer === 0 ? 503 : 200);
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.posts).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(peers.posts).toHaveLength(1);
  });

  it("in a state that was taken does not change with what is folded later", () => {
    const { sink } = started();
    fold(sink, [event()]);
    const state = sink.state();
    const copy = structuredClone(state);
    fold(sink, [event(), event({ verb: "list" })]);
    expect(state).toEqual(copy);
  });
});

describe("an Alertmanager that is down", () => {
  it("holds up no fold, is tried again with backoff, and gets every alert that nobody was told of, even quiet ones", async () => {
    const { sink, peers, told } = started();
    peers.down = true;
    fold(sink, [event(), event({ verb: "list" })]);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(peers.requests.length).toBeGreaterThan(100);
    expect(peers.requests.length).toBeLessThan(1000);
    expect(told.warnings).toHaveLength(1);
    peers.down = false;
    await vi.advanceTimersByTimeAsync(31_000);
    expect(peers.sent.map((alert) => alert.labels.verb)).toEqual(["get", "list"]);
    for (const alert of peers.sent) expect(Date.parse(alert.endsAt)).toBeGreaterThan(Date.now());
    await vi.advanceTimersByTimeAsync(600_000);
    expect(sink.state().alerts).toEqual([]);
  });

  it("fails the probe with its address", async () => {
    const { sink, peers } = started();
    await sink.probe(new AbortController().signal);
    expect(peers.requests[0]).toMatchObject({ method: "GET", path: "/api/v2/status" });
    peers.answer = () => 502;
    await expect(sink.probe(new AbortController().signal)).rejects.toThrow(
      "http://am0:9093/api/v2/status answered 502",
    );
  });
});

describe("a refused alert", () => {
  it("is found among the good ones, dropped, counted and logged; the good ones arrive", async () => {
    const { sink, peers, told } = started();
    peers.answer = (alerts) => (alerts.some((alert) => alert.labels.verb === "bad") ? 400 : 200);
    fold(sink, [event({ verb: "bad" }), event({ verb: "bad" })]);
    for (let index = 0; index < 20; index++) fold(sink, [event({ verb: `v${index}` })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(new Set(peers.sent.map((alert) => alert.labels.verb)).size).toBe(20);
    expect(told.counts.get("auditship_sink_events_total{test,rejected}")).toBe(2);
    expect(told.warnings).toEqual(["Alertmanager refused an alert; it is dropped"]);
    expect(sink.state().alerts).toHaveLength(20);
  });
});

describe("a storm", () => {
  it("of one rule is one alert, in constant memory", async () => {
    const { sink, peers } = started();
    for (let round = 0; round < 50; round++)
      fold(
        sink,
        Array.from({ length: 1000 }, () => event()),
      );
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.sent).toHaveLength(1);
    expect(peers.sent[0].annotations.count).toBe("50000");
    expect(JSON.stringify(sink.state()).length).toBeLessThan(100_000);
  });

  it("of many labels fills the table, and what comes beyond is counted in one alert of its rule", async () => {
    const { sink, peers } = started(undefined, { maxAlerts: 3 });
    for (let user = 0; user < 10; user++) {
      fold(sink, [event({ user: { username: `user-${user}` } })], [match(), match({ rule: "exec" })]);
    }
    await vi.advanceTimersByTimeAsync(50);
    const counts = peers.sent.map(({ labels, annotations }) => [
      labels.alertname,
      labels.user ?? `overflow=${labels.overflow}`,
      annotations.count,
    ]);
    expect(counts).toEqual([
      ["secret-read", "user-0", "1"],
      ["exec", "user-0", "1"],
      ["secret-read", "user-1", "1"],
      ["exec", "overflow=true", "9"],
      ["secret-read", "overflow=true", "8"],
    ]);
  });

  it("is sent in requests of at most 500 alerts and a mebibyte", async () => {
    const { sink, peers } = started(undefined, { maxAlerts: 5000 });
    fold(
      sink,
      Array.from({ length: 1200 }, (_, index) => event({ user: { username: `user-${index}` } })),
    );
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.posts.map((post) => post.length)).toEqual([500, 500, 200]);
    const long = match({ rule: "long", message: () => "🙂".repeat(1000) });
    fold(
      sink,
      Array.from({ length: 1200 }, (_, index) => event({ user: { username: `user-${index}` } })),
      [long],
    );
    await vi.advanceTimersByTimeAsync(50);
    expect(peers.posts.slice(3).flat()).toHaveLength(1200);
    for (const request of peers.requests)
      expect(Buffer.byteLength(String(request.body))).toBeLessThanOrEqual(1024 ** 2);
  });

  it("of any texts is taken without a throw, and makes labels that Alertmanager takes", async () => {
    const { sink, peers } = started();
    const text = fc.string({ unit: "binary", maxLength: 300 });
    fc.assert(
      fc.property(fc.record({ verb: text, username: text, namespace: text, requestURI: text }), (random) => {
        fold(sink, [
          event({ ...random, user: { username: random.username }, objectRef: { namespace: random.namespace } }),
        ]);
      }),
      { numRuns: 200 },
    );
    await vi.advanceTimersByTimeAsync(50);
    for (const { labels } of peers.sent) {
      for (const [name, value] of Object.entries(labels)) {
        expect(name).toMatch(/^[a-zA-Z_]\w*$/);
        expect(value.length).toBeGreaterThan(0);
        expect(value.length).toBeLessThanOrEqual(256);
      }
    }
  });
});

describe("closing", () => {
  it("sends what is pending once and keeps it in the state", async () => {
    const { sink, peers } = started();
    fold(sink, [event()]);
    const state = sink.state();
    await sink.close();
    expect(peers.sent).toHaveLength(1);
    expect(state.alerts).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(peers.requests).toHaveLength(1);
  });

  it("gives up after two seconds if nobody answers", async () => {
    const peers = new Peers();
    peers.requestAll = ({ signal }) =>
      new Promise((_resolve, reject) => signal!.addEventListener("abort", () => reject(new Error("aborted"))));
    const { sink } = started(peers);
    fold(sink, [event()]);
    const closed = sink.close();
    await vi.advanceTimersByTimeAsync(2000);
    await closed;
  });
});

describe("the alertmanager sink's options", () => {
  it("have a default for everything but the addresses", () => {
    const { urls, ...defaults } = alertmanager.options(z).parse({ urls: ["http://am:9093"] });
    expect(urls).toEqual(["http://am:9093"]);
    expect(defaults).toEqual({
      timeout: 5000,
      labels: {},
      maxAge: 3_600_000,
      resolveAfter: 300_000,
      resendEvery: 60_000,
      maxAlerts: 2000,
      perPeer: true,
    });
  });
});
