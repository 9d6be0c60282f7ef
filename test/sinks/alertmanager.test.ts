import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { z } from "zod";
import { Peer } from "../../plugins/sinks/alertmanager/peer.js";
import alertmanager, { type AlertmanagerOptions, AlertmanagerSink } from "../../plugins/sinks/alertmanager.js";
import {
  type EventView,
  Field,
  type HttpAnswer,
  type HttpClient,
  type HttpRequest,
  type RuleMatch,
  type Selection,
  type SinkHost,
  type SinkState,
} from "../../src/plugin/index.js";
import { events, match, testHost } from "./support.js";

const NOW = Date.parse("2026-11-21T10:00:00Z");
const OPTIONS: AlertmanagerOptions = {
  labels: {},
  maxAge: 3_600_000,
  resolveAfter: 300_000,
  resendEvery: 60_000,
  maxAlerts: 1000,
  format: "native",
};

interface Sent {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
}

/** An Alertmanager; `answer` decides the status of each POST. */
class Alertmanager implements HttpClient {
  /** What was taken, one list per POST. */
  posts: Sent[][] = [];
  requests: HttpRequest[] = [];
  down = false;
  answer: (alerts: Sent[]) => number = () => 200;
  headers: Record<string, string> = {};
  constructor(readonly url = "http://am0:9093") {}

  async request(request: HttpRequest): Promise<HttpAnswer> {
    this.requests.push(request);
    if (this.down) throw new Error("connect ECONNREFUSED");
    const alerts = request.body ? (JSON.parse(String(request.body)) as Sent[]) : [];
    const status = this.answer(alerts);
    if (status === 200) this.posts.push(alerts);
    return { status, headers: this.headers, body: new Uint8Array(), truncated: false, url: this.url };
  }

  /** All alerts that were taken. */
  get sent(): Sent[] {
    return this.posts.flat();
  }
}

/** One that takes requests and never answers, until they are given up. */
class Silent extends Alertmanager {
  override async request(request: HttpRequest): Promise<HttpAnswer> {
    this.requests.push(request);
    return new Promise((_resolve, reject) => {
      setTimeout(() => reject(new Error("no complete answer within 5 s")), 5000);
      request.signal?.addEventListener("abort", () => reject(new Error("stopped")));
    });
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

/** An event of each of so many users. */
const users = (count: number): object[] =>
  Array.from({ length: count }, (_, index) => event({ user: { username: `user-${index}` } }));

function fold(sink: AlertmanagerSink, lines: object[], rules: RuleMatch[] = [match()]): void {
  const { batch, selection } = events(...lines);
  for (let row = 0; row < batch.count; row++) for (const rule of rules) batch.addMatch(row, rule);
  sink.fold(selection);
}

function started(
  options: Partial<AlertmanagerOptions> = {},
  state?: SinkState,
  ams: [Alertmanager, ...Alertmanager[]] = [new Alertmanager()],
  labels: Record<string, string> = { env: "test" },
) {
  const host = testHost({ cluster: "prod", node: "cp-1", labels });
  const sink = new AlertmanagerSink({ ...OPTIONS, ...options }, host, ams);
  sink.restore(state);
  return { sink, am: ams[0], told: host.told };
}

/** A state as far as its damages are concerned. */
interface Kept extends SinkState {
  alerts: object[];
}

/** What would be read back from the disk. */
const stored = (sink: AlertmanagerSink): SinkState => JSON.parse(JSON.stringify(sink.state()));

/** Selections of `count` matches each, of one rule, user and kind of thing; each request has its own auditID. */
function stormOf(count: number): { next(): Selection } {
  const [view] = events(event()).selection;
  const fields = [Field.userUsername, Field.verb, Field.requestURI, Field.objectRefResource];
  const texts = new Map(fields.map((field) => [field, view.text(field)]));
  const matches = [match()];
  let request = 0;
  // Not read off their bytes: a million lines take longer to scan than to fold.
  const storm = Object.create(view, {
    text: { value: (field: Field) => (field === Field.auditID ? `id-${request}` : texts.get(field)) },
    timeMs: { value: () => NOW },
    matches: { value: () => matches },
  }) as EventView;
  function* views() {
    for (let index = 0; index < count; index++) {
      request++;
      yield storm;
    }
  }
  return { next: () => ({ count, [Symbol.iterator]: views }) };
}

/** Bytes in use once the garbage is collected. */
function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return process.memoryUsage().heapUsed;
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("an alert", () => {
  it("is sent within 50 ms, with labels that say what is equal and annotations that say what happened", async () => {
    const { sink, am } = started();
    fold(sink, [event({ auditID: "first" })], [match({ description: "Reads of secrets", facts: { author: "us" } })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.requests[0]).toMatchObject({
      method: "POST",
      path: "/api/v2/alerts",
      headers: { "content-type": "application/json" },
    });
    expect(am.sent).toEqual([
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
    const { sink, am } = started();
    fold(sink, [event({ objectRef: { resource: "secrets", namespace: "shop", name: "a" } }), event()]);
    fold(sink, [event({ auditID: "last" })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent).toHaveLength(1);
    expect(am.sent[0].annotations).toMatchObject({ count: "3", lastAuditID: "last" });
  });

  it("is made of alerting matches only", async () => {
    const { sink, am } = started();
    fold(sink, [event()], [match({ actions: ["archived"] }), match({ rule: "exec" })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent.map((alert) => alert.labels.alertname)).toEqual(["exec"]);
  });

  it("has the severity of its rule's rank", async () => {
    const { sink, am } = started();
    for (const rank of [1, 2, 3, 6]) fold(sink, [event()], [match({ rule: `r${rank}`, rank })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent.map((alert) => alert.labels.severity)).toEqual(["info", "warning", "critical", "critical"]);
  });

  it("has the runbook that its rule names, else the configured one", async () => {
    const { sink, am } = started({ runbook: "https://runbooks.example/{rule}?from=auditship" });
    fold(sink, [event()], [match({ rule: "Read a / secret" })]);
    fold(sink, [event()], [match({ rule: "own", facts: { runbook_url: "https://own.example" } })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent.map(({ annotations }) => annotations.runbook_url)).toEqual([
      "https://runbooks.example/Read%20a%20%2F%20secret?from=auditship",
      "https://own.example",
    ]);
  });

  it("is counted as active, and as untold until it was taken", async () => {
    const { sink, told } = started();
    const gauges = () => ["active", "untold"].map((name) => told.gauges.get(`auditship_alerts_${name}{test}`));
    fold(sink, [event(), event({ verb: "list" })]);
    expect(gauges()).toEqual([2, 2]);
    await vi.advanceTimersByTimeAsync(50);
    expect(gauges()).toEqual([2, 0]);
    await vi.advanceTimersByTimeAsync(400_000);
    expect(gauges()).toEqual([0, 0]);
  });

  it("carries the workspace that a stage found", async () => {
    const { sink, am } = started();
    const { batch, selection } = events(event());
    batch.addMatch(0, match());
    batch.annotate(0, "workspace", "team-a");
    sink.fold(selection);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent[0].labels.workspace).toBe("team-a");
  });

  it("of an event with nothing in it but a match is sent too", async () => {
    const { sink, am } = started();
    fold(sink, [{ kind: "Event", stageTimestamp: new Date(NOW).toISOString() }]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent[0].labels).toMatchObject({ alertname: "secret-read" });
    expect(am.sent[0].labels).not.toHaveProperty("namespace");
  });

  it("has label names that old Alertmanagers take, and values that are cut between characters", async () => {
    const { sink, am } = started({}, undefined, undefined, { "team.name": "x", "1st": "y", "a-b": "z", empty: "" });
    fold(sink, [event({ user: { username: `${"u".repeat(254)}🙂${"v".repeat(100)}` } })]);
    await vi.advanceTimersByTimeAsync(50);
    const { labels } = am.sent[0];
    expect(labels).toMatchObject({ team_name: "x", _1st: "y", a_b: "z" });
    expect(labels).not.toHaveProperty("empty");
    expect(labels.user).toBe(`${"u".repeat(254)}…`);
    expect(Object.keys(labels).every((name) => /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name))).toBe(true);
  });
});

describe("a request", () => {
  it("counts once, however many of its stages match", async () => {
    const { sink, am } = started();
    const request = event();
    fold(sink, [{ ...request, stage: "ResponseStarted" }]);
    fold(sink, [request]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent[0].annotations.count).toBe("1");
  });

  it("counts once for each rule, and is not another's because a client chose the same auditID", async () => {
    const { sink, am } = started();
    const request = event({ auditID: "chosen" });
    fold(sink, [request], [match(), match({ rule: "exec" })]);
    fold(sink, [{ ...request, requestURI: "/api/v1/namespaces/shop/secrets/other" }]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent.map(({ labels, annotations }) => [labels.alertname, annotations.count])).toEqual([
      ["secret-read", "2"],
      ["exec", "1"],
    ]);
  });

  it("counts once over a restart too", async () => {
    const before = started();
    const request = event();
    fold(before.sink, [{ ...request, stage: "ResponseStarted" }]);
    const { sink, am } = started({}, stored(before.sink));
    fold(sink, [request]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent[0].annotations.count).toBe("1");
  });

  it("that is older than maxAge is counted as stale and not sent", async () => {
    const { sink, am, told } = started();
    const old = new Date(NOW - 3_600_001).toISOString();
    fold(sink, [event({ stageTimestamp: old }), event()]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent.map((alert) => alert.annotations.count)).toEqual(["1"]);
    expect(told.counts.get("auditship_alerts_stale_total{test}")).toBe(1);
  });
});

describe("an active alert", () => {
  it("is sent again every resendEvery, and once with its end when it was quiet for resolveAfter", async () => {
    const { sink, am } = started();
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    await vi.advanceTimersByTimeAsync(240_000);
    const ends = am.sent.map((alert) => Date.parse(alert.endsAt) - NOW);
    expect(ends).toEqual([180_020, 240_020, 300_020, 360_020, 420_020]);
    await vi.advanceTimersByTimeAsync(3_600_000);
    const last = am.sent.at(-1)!;
    expect(am.posts.length).toBeLessThanOrEqual(7);
    expect(Date.parse(last.endsAt) - NOW).toBeGreaterThanOrEqual(300_000);
    expect(Date.parse(last.endsAt) - NOW).toBeLessThan(301_000);
    expect(sink.state().alerts).toEqual([]);
  });

  it("stays while it is matched, and is sent with its new count soon but not for each match", async () => {
    const { sink, am } = started();
    for (let second = 0; second < 600; second++) {
      fold(sink, [event()]);
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(am.posts.length).toBeGreaterThan(100);
    expect(am.posts.length).toBeLessThan(150);
    expect(Number(am.sent.at(-1)!.annotations.count)).toBeGreaterThan(594);
    expect(new Set(am.sent.map((alert) => alert.startsAt))).toEqual(new Set(["2026-11-21T10:00:00.000Z"]));
  });

  it("survives a kill: the next agent sends it at once and knows its count", async () => {
    const before = started();
    fold(before.sink, [event(), event()]);
    const { am } = started({}, stored(before.sink));
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent).toHaveLength(1);
    expect(am.sent[0].annotations.count).toBe("2");
  });

  const damages: Record<string, (state: Kept) => SinkState> = {
    "no list": (state) => ({ ...state, alerts: null }),
    "not of alerts": (state) => ({ ...state, alerts: [null] }),
    "without labels": ({ alerts: [alert], ...state }) => ({ ...state, alerts: [{ ...alert, labels: null }] }),
    "with a label that is no text": ({ alerts: [alert], ...state }) => ({
      ...state,
      alerts: [{ ...alert, labels: { a: 1 } }],
    }),
    "without a count": ({ alerts: [alert], ...state }) => ({ ...state, alerts: [{ ...alert, count: "x" }] }),
    "without requests": ({ alerts }) => ({ alerts }),
  };
  it.each(Object.keys(damages))(
    "in a state that is damaged (%s) is lost, loudly; what comes is sent",
    async (damage) => {
      const first = started();
      fold(first.sink, [event()]);
      const second = started({}, damages[damage](stored(first.sink) as Kept));
      expect(second.told.warnings).toEqual([expect.stringContaining("damaged")]);
      fold(second.sink, [event()]);
      await vi.advanceTimersByTimeAsync(50);
      expect(second.am.sent.map(({ annotations }) => annotations.count)).toEqual(["1"]);
    },
  );

  it("is written down anew when it was told of, and when it has ended, though nothing more is matched", async () => {
    const { sink, am } = started();
    am.down = true;
    fold(sink, [event()]);
    const states: SinkState[] = [];
    sink.onChange = () => void states.push(stored(sink));
    await vi.advanceTimersByTimeAsync(1000);
    am.down = false;
    await vi.advanceTimersByTimeAsync(600_000);
    expect(states.map((state) => (state.alerts as { deliveredAt: number }[]).length)).toEqual([1, 0]);
    const { am: later } = started({}, states[0]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(later.sent.map(({ endsAt }) => Date.parse(endsAt) <= Date.now())).toEqual([true]);
  });

  it("is sent to every peer; one that never answers does not delay the others, and gets it when it does", async () => {
    const silent = new Silent("http://am1:9093");
    const { sink, am } = started({}, undefined, [new Alertmanager(), silent]);
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.posts).toHaveLength(1);
    expect(silent.requests).toHaveLength(1);
    fold(sink, [event({ verb: "list" })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent.map((alert) => alert.labels.verb)).toEqual(["get", "list"]);
    silent.request = Alertmanager.prototype.request;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(silent.sent.map((alert) => alert.labels.verb)).toEqual(["get", "list"]);
  });

  it("ends for all peers, and is forgotten when one that is down must have ended it by itself", async () => {
    const other = new Alertmanager("http://am1:9093");
    const { sink, am } = started({}, undefined, [new Alertmanager(), other]);
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    other.down = true;
    await vi.advanceTimersByTimeAsync(301_000);
    expect(Date.parse(am.sent.at(-1)!.endsAt)).toBeLessThan(Date.now());
    expect(sink.state().alerts).toHaveLength(1);
    expect(Date.parse(other.sent.at(-1)!.endsAt)).toBeLessThan(NOW + 480_000);
    await vi.advanceTimersByTimeAsync(210_000);
    expect(sink.state().alerts).toEqual([]);
    const asked = other.requests.length;
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(other.requests).toHaveLength(asked);
  });

  it("costs nothing while one that is down may take it for active for longer than a timer takes", async () => {
    const other = new Alertmanager("http://am1:9093");
    const { sink } = started({ resendEvery: 10 * 86_400_000 }, undefined, [new Alertmanager(), other]);
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    other.down = true;
    await vi.advanceTimersByTimeAsync(400_000);
    const timers = vi.spyOn(globalThis, "setTimeout");
    // One Alertmanager is asked with a backoff of up to half a minute, the other one rests.
    await vi.advanceTimersByTimeAsync(60_000);
    expect(timers.mock.calls.length).toBeLessThan(60);
  });

  it("that is matched again when it has ended begins again", async () => {
    const { sink, am } = started();
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(301_000);
    expect(sink.state().alerts).toEqual([]);
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent.at(-1)).toMatchObject({ annotations: { count: "1" }, startsAt: "2026-11-21T10:05:01.000Z" });
  });

  it("that ended while the agent was away is told of its end, and begins again when it is matched again", async () => {
    const before = started();
    fold(before.sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    const state = stored(before.sink);
    await before.sink.close();
    vi.setSystemTime(NOW + 360_000);
    const peers: [Alertmanager, Alertmanager] = [new Alertmanager(), new Alertmanager("http://am1:9093")];
    const { sink, told } = started({}, state, peers);
    await vi.advanceTimersByTimeAsync(50);
    for (const { sent } of peers) expect(sent).toMatchObject([{ endsAt: "2026-11-21T10:06:00.020Z" }]);
    expect(sink.state().alerts).toEqual([]);
    expect(told.gauges.get("auditship_alerts_active{test}")).toBe(0);
    vi.setSystemTime(NOW + 7_200_000);
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    const again = { annotations: { count: "1" }, startsAt: "2026-11-21T12:00:00.000Z" };
    for (const { sent } of peers) expect(sent.at(-1)).toMatchObject(again);
  });

  it("that has ended is not gone on with by a match that the next agent finds at its start", async () => {
    const before = started();
    fold(before.sink, [event(), event()]);
    await vi.advanceTimersByTimeAsync(50);
    const state = stored(before.sink);
    await before.sink.close();
    vi.setSystemTime(NOW + 3_600_000);
    const { sink, am } = started({}, state);
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent).toMatchObject([{ annotations: { count: "1" }, startsAt: "2026-11-21T11:00:00.000Z" }]);
    expect(Date.parse(am.sent[0].endsAt)).toBeGreaterThan(Date.now());
  });

  it("is told of, though a late answer is for one before it that had its labels and its count", async () => {
    const late = new Alertmanager("http://am1:9093");
    const { sink } = started({}, undefined, [new Alertmanager(), late]);
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    // Its answer to the end comes when the alert is gone for everybody, and the next has begun.
    const { request } = late;
    late.request = async (asked) => {
      await new Promise((resolve) => setTimeout(resolve, 190_000));
      return request.call(late, asked);
    };
    await vi.advanceTimersByTimeAsync(481_000);
    expect(sink.state().alerts).toEqual([]);
    late.request = request;
    fold(sink, [event({ auditID: "next" })]);
    await vi.advanceTimersByTimeAsync(61_000);
    expect(late.sent.at(-1)).toMatchObject({ annotations: { firstAuditID: "next", count: "1" } });
    expect(sink.state().alerts).toHaveLength(1);
  });

  it("of a state without the count that was told is told of as far as it was", async () => {
    const before = started();
    fold(before.sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    const { alerts, ...rest } = stored(before.sink) as Kept;
    const state = { ...rest, alerts: alerts.map((alert) => ({ ...alert, toldCount: undefined })) };
    vi.setSystemTime(NOW + 360_000);
    const { am } = started({}, JSON.parse(JSON.stringify(state)));
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent).toMatchObject([{ annotations: { count: "1" }, endsAt: "2026-11-21T10:06:00.020Z" }]);
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

describe("a clock that is set", () => {
  it("forward delays no new alert", async () => {
    const { sink, am } = started();
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(1000);
    vi.setSystemTime(NOW + 3_600_000);
    fold(sink, [event({ verb: "list" })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent.map((alert) => alert.labels.verb)).toEqual(["get", "list"]);
  });

  it("back keeps alerts neither from being sent again nor from ending", async () => {
    const { sink, am } = started();
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(1000);
    vi.setSystemTime(NOW - 3_600_000);
    await vi.advanceTimersByTimeAsync(60_000);
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(am.sent.map((alert) => alert.annotations.count)).toEqual(["1", "1", "2"]);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(Date.parse(am.sent.at(-1)!.endsAt)).toBeLessThanOrEqual(Date.now());
    expect(sink.state().alerts).toEqual([]);
  });

  it("back ends what was active when the agent starts after it", async () => {
    const before = started();
    fold(before.sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    const state = stored(before.sink);
    vi.setSystemTime(NOW - 3_600_000);
    const { sink } = started({}, state);
    await vi.advanceTimersByTimeAsync(400_000);
    expect(sink.state().alerts).toEqual([]);
  });
});

describe("an Alertmanager that is down", () => {
  it("holds up no fold, is tried again with backoff, and gets every alert that nobody was told of, even quiet ones", async () => {
    const { sink, am, told } = started();
    am.down = true;
    fold(sink, [event(), event({ verb: "list" })]);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(am.requests.length).toBeGreaterThan(100);
    expect(am.requests.length).toBeLessThan(1000);
    expect(told.warnings).toHaveLength(1);
    expect(told.fields).toMatchObject([{ sink: "test", alerts: 2 }]);
    am.down = false;
    await vi.advanceTimersByTimeAsync(31_000);
    expect(am.sent.map((alert) => alert.labels.verb)).toEqual(["get", "list"]);
    for (const alert of am.sent) expect(Date.parse(alert.endsAt)).toBeGreaterThan(Date.now());
    await vi.advanceTimersByTimeAsync(600_000);
    expect(sink.state().alerts).toEqual([]);
  });

  it("for an hour gets every alert of that hour, with the counts of all of it", async () => {
    const { sink, am, told } = started();
    fold(sink, [event({ verb: "before" })]);
    await vi.advanceTimersByTimeAsync(50);
    am.down = true;
    for (let minute = 0; minute < 60; minute++) {
      fold(sink, [event({ verb: "always" }), event({ verb: `minute-${minute}` })]);
      await vi.advanceTimersByTimeAsync(60_000);
    }
    expect(told.gauges.get("auditship_alerts_untold{test}")).toBe(61);
    am.posts = [];
    am.down = false;
    await vi.advanceTimersByTimeAsync(31_000);
    const counts = new Map(am.sent.map(({ labels, annotations }) => [labels.verb, annotations.count]));
    expect(counts.size).toBe(61);
    expect(counts.get("always")).toBe("60");
    expect(told.gauges.get("auditship_alerts_untold{test}")).toBe(0);
  });

  it("for an hour gets the matches of that hour also of alerts that it took before", async () => {
    const { sink, am } = started();
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    am.down = true;
    am.posts = [];
    fold(sink, [event({ auditID: "unheard" })]);
    await vi.advanceTimersByTimeAsync(3_600_000);
    am.down = false;
    await vi.advanceTimersByTimeAsync(31_000);
    expect(am.sent).toMatchObject([{ annotations: { count: "2", lastAuditID: "unheard" } }]);
    expect(Date.parse(am.sent[0].endsAt)).toBeGreaterThan(Date.now());
    await vi.advanceTimersByTimeAsync(600_000);
    expect(sink.state().alerts).toEqual([]);
  });

  it("and says when it will be back is not asked before", async () => {
    const { sink, am } = started();
    am.answer = () => 503;
    am.headers = { "retry-after": "120" };
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(119_000);
    expect(am.requests).toHaveLength(1);
    am.answer = () => 200;
    await vi.advanceTimersByTimeAsync(2000);
    expect(am.sent).toHaveLength(1);
  });

  it("or is behind a link too slow for a whole request, is told in smaller ones", async () => {
    const am = new Alertmanager();
    const { request } = am;
    am.request = async (asked) => {
      // Milliseconds.
      const all = 80 * JSON.parse(String(asked.body)).length;
      await new Promise((resolve) => setTimeout(resolve, Math.min(5000, all)));
      if (all > 5000) throw new DOMException("no complete answer within 5 s", "TimeoutError");
      return request.call(am, asked);
    };
    const { sink } = started({}, undefined, [am]);
    fold(sink, users(250));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(new Set(am.sent.map(({ labels }) => labels.user)).size).toBe(250);
    expect(am.posts.length).toBeLessThan(30);
  });

  it("is told all that is active when it answers again, since it may have forgotten it", async () => {
    const { sink, am } = started({ resolveAfter: 7_200_000, resendEvery: 3_600_000 });
    fold(sink, [event({ verb: "old" })]);
    await vi.advanceTimersByTimeAsync(50);
    am.down = true;
    fold(sink, [event({ verb: "new" })]);
    await vi.advanceTimersByTimeAsync(60_000);
    am.down = false;
    am.posts = [];
    await vi.advanceTimersByTimeAsync(31_000);
    expect(new Set(am.sent.map(({ labels }) => labels.verb))).toEqual(new Set(["old", "new"]));
  });

  it("fails the probe with its address", async () => {
    const { sink, am } = started();
    await sink.probe(new AbortController().signal);
    expect(am.requests[0]).toMatchObject({ method: "GET", path: "/api/v2/status" });
    am.answer = () => 502;
    await expect(sink.probe(new AbortController().signal)).rejects.toThrow(
      "http://am0:9093/api/v2/status answered 502",
    );
  });
});

describe("a refused alert", () => {
  const isBad = (alert: Sent) => alert.labels.verb === "bad";

  it("is found among the good ones, which arrive; it is tried again alone until it is quiet, then counted and logged", async () => {
    const { sink, am, told } = started();
    am.answer = (alerts) => (alerts.some(isBad) ? 400 : 200);
    fold(sink, [event({ verb: "bad" }), event({ verb: "bad" })]);
    for (let index = 0; index < 20; index++) fold(sink, [event({ verb: `v${index}` })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(new Set(am.sent.map((alert) => alert.labels.verb)).size).toBe(20);
    expect(told.warnings).toEqual(["Alertmanager refuses an alert; it is tried again, alone"]);
    const before = am.requests.length;
    await vi.advanceTimersByTimeAsync(61_000);
    expect(am.requests.slice(before).map(({ body }) => JSON.parse(String(body)).length)).toEqual([1, 20]);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(told.counts.get("auditship_sink_events_total{test,rejected}")).toBe(2);
    expect(told.warnings.at(-1)).toBe("No Alertmanager took an alert; it is dropped");
    for (const fields of told.fields) expect(fields).toMatchObject({ sink: "test", rule: "secret-read" });
    expect(sink.state().alerts).toEqual([]);
  });

  it("arrives once it is no longer refused", async () => {
    const { sink, am, told } = started();
    am.answer = () => 400;
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    am.answer = () => 200;
    await vi.advanceTimersByTimeAsync(60_500);
    expect(am.sent).toHaveLength(1);
    expect(told.counts.get("auditship_sink_events_total{test,rejected}")).toBeUndefined();
  });

  it("that was taken before is counted as far as it was not", async () => {
    const { sink, am, told } = started();
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(50);
    am.answer = () => 400;
    fold(sink, [event(), event()]);
    await vi.advanceTimersByTimeAsync(400_000);
    expect(told.counts.get("auditship_sink_events_total{test,rejected}")).toBe(2);
    expect(sink.state().alerts).toEqual([]);
  });

  it("of one peer is not lost if another takes it", async () => {
    const other = new Alertmanager("http://am1:9093");
    other.answer = () => 400;
    const { sink, told } = started({}, undefined, [new Alertmanager(), other]);
    fold(sink, [event()]);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(told.counts.get("auditship_sink_events_total{test,rejected}")).toBeUndefined();
    expect(sink.state().alerts).toEqual([]);
  });

  it("that is one of many means that the Alertmanager is out of order: it is asked ever less often", async () => {
    // How long it waits is a matter of chance, down to nothing.
    const random = vi.spyOn(Math, "random").mockReturnValue(0.5);
    onTestFinished(() => random.mockRestore());
    const { sink, am } = started();
    am.answer = () => 400;
    fold(sink, users(200));
    await vi.advanceTimersByTimeAsync(50);
    expect(am.requests.length).toBeLessThan(40);
    am.answer = () => 200;
    await vi.advanceTimersByTimeAsync(61_000);
    expect(new Set(am.sent.map((alert) => alert.labels.user)).size).toBe(200);
  });
});

describe("an alert in KubeSphere's format", () => {
  const KUBESPHERE = { format: "kubesphere" as const };

  it("has KubeSphere's labels and annotation, and none of ours but the configuration's", async () => {
    const { sink, am } = started({ ...KUBESPHERE, labels: { severity: "warning" } });
    fold(sink, [event({ requestReceivedTimestamp: "2026-11-21T09:59:59.120000Z" })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent.map(({ labels, annotations }) => ({ labels, annotations }))).toEqual([
      {
        labels: {
          env: "test",
          severity: "warning",
          alertname: "secret-read",
          alerttype: "auditing",
          namespace: "shop",
          resource: "secrets",
          name: "db",
          user: "alice",
          group: '["dev"]',
          verb: "get",
          requestReceivedTimestamp: "2026-11-21 09:59:59.12 +0000 UTC",
        },
        annotations: { message: "a secret was read" },
      },
    ]);
  });

  it.for([
    ["2026-11-21T09:59:59.000000Z", "2026-11-21 09:59:59 +0000 UTC"],
    ["2026-11-21T09:59:59.000001Z", "2026-11-21 09:59:59.000001 +0000 UTC"],
    ["2026-11-21T09:59:59Z", "2026-11-21 09:59:59 +0000 UTC"],
    ["yesterday", "yesterday"],
  ])("shows the time %s as Go does: %s", async ([time, shown]) => {
    const { sink, am } = started(KUBESPHERE);
    fold(sink, [event({ requestReceivedTimestamp: time })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent[0].labels.requestReceivedTimestamp).toBe(shown);
  });

  it("of a request for no resource by nobody is sent too; many groups are whole JSON", async () => {
    const { sink, am } = started(KUBESPHERE);
    const groups = Array.from({ length: 50 }, (_, index) => `${index}`.padEnd(200, '"'));
    fold(sink, [
      { kind: "Event", verb: "get", stageTimestamp: new Date(NOW).toISOString() },
      event({ user: { groups } }),
    ]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent[0].labels).toEqual({ env: "test", alertname: "secret-read", alerttype: "auditing", verb: "get" });
    expect(am.sent[1].labels.group.length).toBeLessThanOrEqual(1024);
    expect(groups).toEqual(expect.arrayContaining(JSON.parse(am.sent[1].labels.group)));
  });

  it("is each request's own, as its time is; a storm fills the rule's share, and is one alert with a count beyond it", async () => {
    const { sink, am } = started({ ...KUBESPHERE, maxAlerts: 8 });
    for (let second = 0; second < 10; second++) {
      fold(sink, [event({ requestReceivedTimestamp: `2026-11-21T09:59:0${second}.000000Z` })]);
    }
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent.map(({ labels, annotations }) => [labels.requestReceivedTimestamp, annotations.count])).toEqual([
      ["2026-11-21 09:59:00 +0000 UTC", undefined],
      ["2026-11-21 09:59:01 +0000 UTC", undefined],
      [undefined, "8"],
    ]);
    expect(am.sent[2].labels).toMatchObject({ alertname: "secret-read", overflow: "true" });
  });
});

describe("a storm", () => {
  it("of a million matches of one rule is one alert with their count, in constant memory", async () => {
    const { sink, am } = started();
    const storm = stormOf(1000);
    for (let round = 0; round < 200; round++) sink.fold(storm.next());
    const before = heapUsed();
    for (let round = 200; round < 1000; round++) sink.fold(storm.next());
    expect(heapUsed() - before).toBeLessThan(2 * 1024 ** 2);
    expect(JSON.stringify(sink.state()).length).toBeLessThan(100_000);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent.map((alert) => alert.annotations.count)).toEqual(["1000000"]);
    expect(am.sent[0].annotations).toMatchObject({ firstAuditID: "id-1", lastAuditID: "id-1000000" });
  }, 120_000);

  it("of many labels fills its rule's share of the table, and what comes beyond is counted in one alert; other rules have theirs", async () => {
    const { sink, am } = started({ maxAlerts: 5 });
    for (let user = 0; user < 10; user++) {
      fold(sink, [event({ user: { username: `user-${user}` } })]);
    }
    fold(sink, [event()], [match({ rule: "exec" })]);
    await vi.advanceTimersByTimeAsync(50);
    const counts = am.sent.map(({ labels, annotations }) => [
      labels.alertname,
      labels.user ?? `overflow=${labels.overflow}`,
      annotations.count,
    ]);
    expect(counts).toEqual([
      ["secret-read", "user-0", "1"],
      ["secret-read", "user-1", "1"],
      ["secret-read", "overflow=true", "8"],
      ["exec", "alice", "1"],
    ]);
  });

  it("is sent in requests of at most 500 alerts and a mebibyte", async () => {
    const { sink, am } = started({ maxAlerts: 5000 });
    fold(sink, users(1200));
    await vi.advanceTimersByTimeAsync(50);
    expect(am.posts.map((post) => post.length)).toEqual([500, 500, 200]);
    const long = match({ rule: "long", message: () => "🙂".repeat(1000) });
    fold(sink, users(1200), [long]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.posts.slice(3).flat()).toHaveLength(1200);
    for (const request of am.requests) expect(Buffer.byteLength(String(request.body))).toBeLessThanOrEqual(1024 ** 2);
  });

  it("costs no look at the others that are active when it is new", async () => {
    const { sink, am } = started({ maxAlerts: 2000 });
    fold(sink, users(400));
    await vi.advanceTimersByTimeAsync(1000);
    expect(am.sent).toHaveLength(400);
    const look = vi.spyOn(Peer.prototype, "knowsEnd");
    onTestFinished(() => look.mockRestore());
    fold(sink, [event({ user: { username: "one more" } })]);
    await vi.advanceTimersByTimeAsync(50);
    expect(am.sent).toHaveLength(401);
    expect(look).toHaveBeenCalledTimes(1);
  });

  it("of any texts is taken without a throw, and makes labels that Alertmanager takes", async () => {
    const { sink, am } = started();
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
    for (const { labels } of am.sent) {
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
    const { sink, am } = started();
    fold(sink, [event()]);
    const state = sink.state();
    await sink.close();
    expect(am.sent).toHaveLength(1);
    expect(state.alerts).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(am.requests).toHaveLength(1);
  });

  it("gives up after two seconds if nobody answers", async () => {
    const { sink } = started({}, undefined, [new Silent()]);
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
      format: "native",
      perPeer: true,
    });
  });

  it("refuse label names that an old Alertmanager refuses, those of auditship's own labels, and empty values", () => {
    const parse = (labels: Record<string, string>) =>
      alertmanager.options(z).safeParse({ urls: ["http://am:9093"], labels }).success;
    expect(parse({ team: "x", _1: "y" })).toBe(true);
    for (const name of ["team.name", "a-b", "1st", "", "ä"]) expect(parse({ [name]: "x" }), name).toBe(false);
    expect(parse({ team: "" })).toBe(false);
    expect(() => started({ labels: { severity: "page" } })).toThrow("labels.severity is what auditship itself fills");
    expect(() => started({ labels: { severity: "page" }, format: "kubesphere" })).not.toThrow();
    expect(() => started({ labels: { group: "page" }, format: "kubesphere" })).toThrow("labels.group");
  });

  it("send to each URL, or to the first that answers", () => {
    const clientsOf = async (perPeer: boolean) => {
      const asked: string[][] = [];
      const http: SinkHost["http"] = ({ urls }) => {
        asked.push(urls);
        return new Alertmanager();
      };
      const options = alertmanager.options(z).parse({ urls: ["http://a:9093", "http://b:9093"], perPeer });
      await alertmanager.create(options, { ...testHost(), http });
      return asked;
    };
    return expect(Promise.all([clientsOf(true), clientsOf(false)])).resolves.toEqual([
      [["http://a:9093"], ["http://b:9093"]],
      [["http://a:9093", "http://b:9093"]],
    ]);
  });
});
