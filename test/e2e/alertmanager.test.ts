import { describe, expect, it, onTestFinished, vi } from "vitest";
import { AlertmanagerSink } from "../../plugins/sinks/alertmanager.js";
import { createHttp } from "../../src/delivery/http.js";
import type { RuleMatch } from "../../src/plugin/index.js";
import { events, match, testHost } from "../sinks/support.js";

/** Address of a real Alertmanager. */
const URL = process.env.AUDITSHIP_TEST_ALERTMANAGER;

interface Shown {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
}

/** What Alertmanager shows as active of one rule. */
async function active(rule: string): Promise<Shown[]> {
  const filter = encodeURIComponent(`alertname=${JSON.stringify(rule)}`);
  const answer = await fetch(`${URL}/api/v2/alerts?filter=${filter}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Shown[];
}

function started(more: { resolveAfter?: number } = {}) {
  const rule = `e2e-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const host = testHost({ cluster: "e2e" });
  const http = createHttp({ urls: [URL!] }, host);
  const times = { maxAge: 3_600_000, resolveAfter: 300_000, resendEvery: 60_000, ...more };
  const options = { format: "native" as const, labels: { team: "x" }, maxAlerts: 8000, ...times };
  const sink = new AlertmanagerSink(options, host, [http]);
  onTestFinished(async () => {
    await sink.close();
    await http.close();
  });
  const fold = (lines: object[], facts: Partial<RuleMatch> = {}) => {
    const { batch, selection } = events(...lines);
    for (let row = 0; row < batch.count; row++) batch.addMatch(row, match({ rule, ...facts }));
    sink.fold(selection);
  };
  return { rule, sink, fold, told: host.told };
}

function event(index: number, user: string) {
  const now = new Date().toISOString();
  return {
    kind: "Event",
    auditID: `id-${index}`,
    stage: "ResponseComplete",
    verb: "get",
    requestURI: `/api/v1/namespaces/shop/secrets/${index}`,
    user: { username: user },
    objectRef: { resource: "secrets", namespace: "shop", name: String(index) },
    requestReceivedTimestamp: now,
    stageTimestamp: now,
  };
}

describe.skipIf(!URL)("a real Alertmanager", () => {
  it("answers the probe", async () => {
    await started().sink.probe(AbortSignal.timeout(5000));
  });

  it("shows one alert for many matches, with their count", async () => {
    const { rule, fold } = started();
    fold(Array.from({ length: 1000 }, (_, index) => event(index, "alice")));
    await vi.waitFor(async () => expect(await active(rule)).toHaveLength(1), { timeout: 10_000 });
    const [alert] = await active(rule);
    expect(alert.labels).toMatchObject({
      user: "alice",
      resource: "secrets",
      namespace: "shop",
      cluster: "e2e",
      team: "x",
    });
    expect(alert.annotations).toMatchObject({ count: "1000", firstAuditID: "id-0", lastAuditID: "id-999" });
  });

  it("takes every alert of a full table, whatever clients wrote into it", async () => {
    const { rule, fold, told } = started();
    const hostile = ["\u0000\u001b[2J", "\ud800", "x".repeat(10_000), '"}],[{', "🙂".repeat(300), "\u202e"];
    fold(
      Array.from({ length: 1500 }, (_, index) =>
        event(index, `${hostile[index % hostile.length]}`.concat(`-${index}`)),
      ),
      { message: () => hostile.join(" ") },
    );
    // The 10,000 long ones, and the long smileys, are cut to the same label.
    await vi.waitFor(async () => expect(await active(rule)).toHaveLength(1002), { timeout: 20_000 });
    expect(told.counts.get("auditship_sink_events_total{test,rejected}")).toBeUndefined();
  });

  it("no longer shows an alert that was quiet", async () => {
    const { rule, fold } = started({ resolveAfter: 1500 });
    fold([event(1, "alice")]);
    await vi.waitFor(async () => expect(await active(rule)).toHaveLength(1), { timeout: 10_000, interval: 50 });
    await vi.waitFor(async () => expect(await active(rule)).toHaveLength(0), { timeout: 10_000 });
  });
});
