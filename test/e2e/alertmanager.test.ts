import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type AlertmanagerOptions, AlertmanagerSink } from "../../plugins/sinks/alertmanager.js";
import { createHttp } from "../../src/delivery/http.js";
import type { HttpClient, RuleMatch } from "../../src/plugin/index.js";
import { events, match, testHost } from "../sinks/support.js";
import { ALERTMANAGERS, active } from "./alertmanager-server.js";

/** A sink of its own for a test, and a rule that nobody else's alerts have. */
function started(url: string, more: Partial<AlertmanagerOptions> = {}, through = (client: HttpClient) => client) {
  const rule = `e2e-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const host = testHost({ cluster: "e2e", node: "node-1", labels: { "team.name": "x" } });
  const http = createHttp({ urls: [url] }, host);
  const options: AlertmanagerOptions = {
    format: "native",
    labels: { env: "test" },
    maxAge: 3_600_000,
    resolveAfter: 300_000,
    resendEvery: 60_000,
    maxAlerts: 8000,
    ...more,
  };
  const sink = new AlertmanagerSink(options, host, [through(http)]);
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
    user: { username: user, groups: ["dev", "system:authenticated"] },
    sourceIPs: ["203.0.113.7"],
    userAgent: "curl/8",
    objectRef: { resource: "secrets", namespace: "shop", name: String(index) },
    responseStatus: { code: 200 },
    requestReceivedTimestamp: now,
    stageTimestamp: now,
    annotations: { "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC: allowed" },
  };
}

/** Makes what is sent of one user an alert that Alertmanager refuses: it ends before it starts. */
const spoiling =
  (user: string) =>
  (client: HttpClient): HttpClient => ({
    request(request) {
      if (request.method !== "POST") return client.request(request);
      const alerts = JSON.parse(String(request.body));
      for (const alert of alerts) if (alert.labels.user === user) alert.endsAt = "2001-01-01T00:00:00Z";
      return client.request({ ...request, body: JSON.stringify(alerts) });
    },
  });

describe.for(ALERTMANAGERS)("$name", ({ url: address }) => {
  const url = address!;
  const against = it.skipIf(!address);

  against("answers the probe", async () => {
    await started(url).sink.probe(AbortSignal.timeout(5000));
  });

  against("shows one alert for many matches, with their count and what an operator asks first", async () => {
    const { rule, fold } = started(url, { runbook: "https://runbooks.example/{rule}" });
    fold(Array.from({ length: 1000 }, (_, index) => event(index, "alice")));
    await vi.waitFor(async () => expect(await active(url, rule)).toHaveLength(1), { timeout: 10_000 });
    const [alert] = await active(url, rule);
    expect(alert.labels).toEqual({
      alertname: rule,
      alerttype: "auditing",
      severity: "warning",
      priority: "WARNING",
      dialect: "kubesphere",
      cluster: "e2e",
      node: "node-1",
      source: "apiserver",
      user: "alice",
      verb: "get",
      resource: "secrets",
      namespace: "shop",
      team_name: "x",
      env: "test",
    });
    expect(alert.annotations).toEqual({
      message: "a secret was read",
      runbook_url: `https://runbooks.example/${rule}`,
      count: "1000",
      firstAuditID: "id-0",
      lastAuditID: "id-999",
      firstTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      lastTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      verb: "get",
      user: "alice",
      groups: "dev, system:authenticated",
      objectRef: "secrets shop/0",
      observedAt: "e2e/node-1/apiserver",
      sourceIPs: "203.0.113.7",
      userAgent: "curl/8",
      requestURI: "/api/v1/namespaces/shop/secrets/0",
      code: "200",
      decision: "allow",
      reason: "RBAC: allowed",
    });
  });

  against("takes every alert of a full table, whatever clients wrote into it", async () => {
    const { rule, fold, told } = started(url);
    const hostile = ["\u0000\u001b[2J", "\ud800", "x".repeat(10_000), '"}],[{', "🙂".repeat(300), "\u202e"];
    fold(
      Array.from({ length: 1500 }, (_, index) =>
        event(index, `${hostile[index % hostile.length]}`.concat(`-${index}`)),
      ),
      { message: () => hostile.join(" ") },
    );
    // The 10,000 long ones, and the long smileys, are cut to the same label.
    await vi.waitFor(async () => expect(await active(url, rule)).toHaveLength(1002), { timeout: 60_000 });
    expect(told.warnings).toEqual([]);
  });

  against("has the good alerts of a request in which one is bad, and the bad one once it is good", async () => {
    let isSpoilt = true;
    const { rule, fold, told } = started(url, { resendEvery: 2000 }, (client) => {
      const bad = spoiling("user-17")(client);
      return { request: (request) => (isSpoilt ? bad : client).request(request) };
    });
    fold(Array.from({ length: 50 }, (_, index) => event(index, `user-${index}`)));
    await vi.waitFor(async () => expect(await active(url, rule)).toHaveLength(49), { timeout: 20_000 });
    await vi.waitFor(() => expect(told.warnings).toEqual(["Alertmanager refuses an alert; it is tried again, alone"]), {
      timeout: 20_000,
    });
    isSpoilt = false;
    await vi.waitFor(async () => expect(await active(url, rule)).toHaveLength(50), { timeout: 20_000 });
  });

  against("no longer shows an alert that was quiet", async () => {
    const { rule, fold, sink } = started(url, { resolveAfter: 5000 });
    fold([event(1, "alice")]);
    await vi.waitFor(async () => expect(await active(url, rule)).toHaveLength(1), { timeout: 10_000, interval: 50 });
    await vi.waitFor(async () => expect(await active(url, rule)).toHaveLength(0), { timeout: 60_000 });
    await vi.waitFor(() => expect(sink.state().alerts).toEqual([]), { timeout: 60_000 });
  });

  against("shows what KubeSphere's routes and templates look for", async () => {
    const { rule, fold } = started(url, { format: "kubesphere" });
    fold([{ ...event(1, "alice"), requestReceivedTimestamp: "2026-11-21T10:00:00.120000Z" }]);
    await vi.waitFor(async () => expect(await active(url, rule)).toHaveLength(1), { timeout: 10_000 });
    const [{ labels, annotations }] = await active(url, rule);
    expect(labels).toEqual({
      alertname: rule,
      alerttype: "auditing",
      namespace: "shop",
      resource: "secrets",
      name: "1",
      user: "alice",
      group: '["dev","system:authenticated"]',
      verb: "get",
      requestReceivedTimestamp: "2026-11-21 10:00:00.12 +0000 UTC",
      team_name: "x",
      env: "test",
    });
    expect(annotations).toEqual({ message: "a secret was read" });
  });
});
