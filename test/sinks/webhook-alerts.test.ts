import { describe, expect, test } from "vitest";
import { fingerprint } from "../../plugins/sinks/webhook/fingerprint.js";
import { match } from "./support.js";
import { receiver, request, signal, sink } from "./webhook-receiver.js";

const EVENT = {
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  auditID: "a",
  stage: "ResponseComplete",
  verb: "get",
  requestURI: "/api/v1/namespaces/shop/secrets/db",
  user: { username: "alice" },
  objectRef: { resource: "secrets", namespace: "shop", name: "db" },
  responseStatus: { code: 200 },
  stageTimestamp: "2026-11-21T12:00:00.000001Z",
};

const bodies = (received: { body: Buffer }[]) => received.map(({ body }) => JSON.parse(body.toString()));

describe("the format falco", () => {
  test("is one alert a request, as Falco posts it", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url, format: "falco" });
    const rule = match({
      rule: "Read secret",
      dialect: "falco",
      priority: "Notice",
      rank: 1,
      tags: ["k8s"],
      message: () => "alice read db",
      fields: () => ({ "ka.user.name": "alice", "ka.auth.decision": null, "ka.user.groups": ["x", "y"] }),
    });
    const sent = request(hook, [EVENT], { matches: [rule] });
    expect(await hook.send(sent, signal)).toEqual([{ kind: "done" }]);
    expect(received[0].headers).toMatchObject({
      "content-type": "application/json",
      "idempotency-key": `${sent.ids[0]}..${sent.ids[0]}`,
    });
    expect(bodies(received)).toEqual([
      {
        output: "12:00:00.000001000: Notice alice read db",
        priority: "Notice",
        rule: "Read secret",
        time: "2026-11-21T12:00:00.000001Z",
        source: "k8s_audit",
        hostname: "cp-1",
        tags: ["k8s"],
        output_fields: {
          "auditship.cluster": "prod 1",
          "auditship.id": sent.ids[0],
          "ka.auditid": "a",
          "ka.user.name": "alice",
          "ka.verb": "get",
          "ka.uri": "/api/v1/namespaces/shop/secrets/db",
          "ka.target.resource": "secrets",
          "ka.target.namespace": "shop",
          "ka.target.name": "db",
          "ka.response.code": "200",
          "ka.auth.decision": null,
          "ka.user.groups": ["x", "y"],
        },
      },
    ]);
  });

  test("has Falco's priorities whatever the rule's dialect, and a time and fields whatever the event lacks", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url, format: "falco" });
    const ranks = [0, 1, 2, 3, 4, 5, 6];
    await hook.send(request(hook, [{ kind: "Event" }], { matches: ranks.map((rank) => match({ rank })) }), signal);
    expect(bodies(received).map(({ priority }) => priority)).toEqual(
      "Debug Informational Warning Error Critical Alert Emergency".split(" "),
    );
    for (const { time, output_fields } of bodies(received)) {
      expect(new Date(time).toISOString()).toBe(time);
      expect(Object.keys(output_fields)).toContain("auditship.id");
    }
  });

  test.each(["falco", "kubesphere"])("of %s has no form for many, which is said at load", async (format) => {
    await expect(sink({ url: "http://a", format, batch: true })).rejects.toMatchObject({
      code: "AUDITSHIP_CONFIG_VALUE",
      message: `sink test: format ${format} has no form for many in one request; leave batch out.`,
    });
    expect((await sink({ url: "http://a", format, batch: false })).gzip).toBe(false);
  });

  test("cuts what clients made long", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url, format: "falco" });
    const long = "x".repeat(1_000_000);
    const rule = match({ message: () => long, fields: () => ({ a: long, b: new Array(5000).fill(long) }) });
    await hook.send(request(hook, [{ ...EVENT, requestURI: long }], { matches: [rule] }), signal);
    expect(received[0].body.length).toBeLessThan(150_000);
  });
});

describe("the format alertmanager", () => {
  test("is a notification as Alertmanager posts it to webhooks, its group being what the alerts share", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url, format: "alertmanager" });
    const matches = [match({ rule: "one" }), match({ rule: "two", message: () => 'said "hi"' })];
    const sent = request(hook, [EVENT], { matches });
    expect(await hook.send(sent, signal)).toEqual({ kind: "done" });
    const common = {
      alerttype: "auditing",
      cluster: "prod 1",
      dialect: "kubesphere",
      namespace: "shop",
      node: "cp-1",
      priority: "WARNING",
      resource: "secrets",
      severity: "warning",
      source: "apiserver",
      user: "alice",
      verb: "get",
    };
    const shared = {
      code: "200",
      id: sent.ids[0],
      objectRef: "secrets shop/db",
      observedAt: "prod 1/cp-1/apiserver",
      requestURI: "/api/v1/namespaces/shop/secrets/db",
      user: "alice",
      verb: "get",
    };
    const alert = (alertname: string, message: string) => ({
      status: "firing",
      labels: { ...common, alertname },
      annotations: { ...shared, message },
      startsAt: "2026-11-21T12:00:00.000001Z",
      endsAt: "0001-01-01T00:00:00Z",
      generatorURL: "",
      fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect(bodies(received)).toEqual([
      {
        version: "4",
        groupKey: `{}:{${Object.entries(common)
          .map(([name, value]) => `${name}="${value}"`)
          .join(", ")}}`,
        truncatedAlerts: 0,
        status: "firing",
        receiver: "test",
        groupLabels: common,
        commonLabels: common,
        commonAnnotations: shared,
        externalURL: "",
        alerts: [alert("one", "a secret was read"), alert("two", 'said "hi"')],
      },
    ]);
  });

  test("one by one groups each alert by all of its labels", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url, format: "alertmanager", batch: false });
    const sent = request(hook, [EVENT], { matches: [match({ rule: "one" }), match({ rule: "two" })] });
    expect(await hook.send(sent, signal)).toEqual([{ kind: "done" }]);
    expect(bodies(received).map(({ alerts, groupLabels }) => [alerts.length, groupLabels.alertname])).toEqual([
      [1, "one"],
      [1, "two"],
    ]);
    expect(received.map(({ headers }) => headers["idempotency-key"])).toEqual([
      `${sent.ids[0]}..${sent.ids[0]}`,
      `${sent.ids[0]}..${sent.ids[0]}/2`,
    ]);
  });

  test("has Alertmanager's fingerprints", () => {
    // As a real Alertmanager 0.25.0 gave it.
    const labels = { user: "älice", alertname: "secret-read", severity: "warning", dash: 'a"b' };
    expect(fingerprint(labels)).toBe("7c325f77a5068bdc");
  });
});

describe("the format kubesphere", () => {
  test("is each event alone, as KubeSphere archives it, with the rules' message", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url, format: "kubesphere" });
    const sent = request(hook, [EVENT, { ...EVENT, auditID: "b" }], { matches: [match()] });
    expect(await hook.send(sent, signal)).toEqual([{ kind: "done" }, { kind: "done" }]);
    expect(received[0].headers).toMatchObject({
      "content-type": "application/json",
      "idempotency-key": `${sent.ids[0]}..${sent.ids[0]}`,
    });
    expect(bodies(received)).toMatchObject(
      ["a", "b"].map((AuditID) => ({
        AuditID,
        Verb: "get",
        User: { Username: "alice", Groups: "" },
        ObjectRef: { Resource: "secrets", Namespace: "shop", Name: "db" },
        ResponseStatus: { code: 200 },
        Cluster: "prod 1",
        Workspace: "",
        Message: "a secret was read",
      })),
    );
  });
});

describe("formats of alerts", () => {
  const rules = async (matches: Parameters<typeof request>[2]) => {
    const { url, received } = await receiver();
    const hook = await sink({ url, format: "falco" });
    await hook.send(request(hook, [EVENT], matches), signal);
    return bodies(received);
  };

  test("tell of the alerting matches, of all where none alerts, and of the event where no rule matched", async () => {
    const [alerts, archived] = [match({ rule: "alerts" }), match({ rule: "archived", actions: ["archived"] })];
    expect((await rules({ matches: [archived, alerts] })).map(({ rule }) => rule)).toEqual(["alerts"]);
    expect((await rules({ matches: [archived] })).map(({ rule }) => rule)).toEqual(["archived"]);
    expect(await rules({})).toMatchObject([
      {
        rule: "Audit event",
        priority: "Informational",
        output: "12:00:00.000001000: Informational alice get secrets shop/db: 200",
      },
    ]);
  });

  test("post nothing again that was taken, when a later alert of the same event has to wait", async () => {
    const { url, received } = await receiver((n) => ({ status: n === 2 ? 503 : 200 }));
    const hook = await sink({ url, format: "falco" });
    const matches = ["one", "two", "three"].map((rule) => match({ rule }));
    const sent = request(hook, [EVENT, { ...EVENT, auditID: "b" }], { matches });
    expect(await hook.send(sent, signal)).toMatchObject([{ kind: "retry" }, { kind: "retry" }]);
    expect(await hook.send(sent, signal)).toEqual([{ kind: "done" }, { kind: "done" }]);
    expect(bodies(received).map(({ rule, output_fields }) => `${output_fields["ka.auditid"]} ${rule}`)).toEqual([
      "a one",
      "a two", // 503
      "a two",
      "a three",
      "b one",
      "b two",
      "b three",
    ]);
  });

  test("go on with an event's other alerts when one is refused, and refuse the event", async () => {
    const { url, received } = await receiver((n) => ({ status: n === 1 ? 422 : 200 }));
    const hook = await sink({ url, format: "falco" });
    const sent = request(hook, [EVENT], { matches: [match({ rule: "one" }), match({ rule: "two" })] });
    expect(await hook.send(sent, signal)).toEqual([{ kind: "reject", reason: "refused (422)" }]);
    expect(received).toHaveLength(2);
  });
});
