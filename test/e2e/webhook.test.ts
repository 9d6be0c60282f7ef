import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { match } from "../sinks/support.js";
import { type Receiver, receiver, request, signal, sink } from "../sinks/webhook-receiver.js";
import { freePort } from "../support/ports.js";
import { ALERTMANAGERS } from "./alertmanager-server.js";
import { SCRIPTS, script } from "./scripts.js";

/** Path of a falcosidekick. */
const FALCOSIDEKICK = process.env.AUDITSHIP_TEST_FALCOSIDEKICK;

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

const bodies = ({ received }: Receiver) => received.map(({ body }) => JSON.parse(body.toString()));

/** A falcosidekick of a test's own, with several outputs that all lead to one place. */
async function falcosidekick() {
  const output = await receiver();
  const { origin } = new URL(output.url);
  const directory = await mkdtemp(join(tmpdir(), "auditship-falcosidekick-"));
  const port = await freePort();
  const config = {
    listenaddress: "127.0.0.1",
    listenport: port,
    webhook: { address: `${origin}/webhook` },
    slack: { webhookurl: `${origin}/slack` },
    alertmanager: { hostport: origin, endpoint: "/api/v2/alerts" },
    loki: { hostport: origin },
  };
  await writeFile(join(directory, "config.yaml"), JSON.stringify(config));
  let said = "";
  const child = spawn(FALCOSIDEKICK!, ["-c", join(directory, "config.yaml")], { stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      said += chunk;
    });
  }
  onTestFinished(async () => {
    const gone = once(child, "exit");
    child.kill();
    await gone;
    await rm(directory, { recursive: true });
  });
  const address = `http://127.0.0.1:${port}`;
  await vi.waitFor(async () => expect((await fetch(`${address}/ping`)).status, said).toBe(200), 20_000);
  return {
    hook: await sink({ url: address, format: "falco" }),
    /** What one of its outputs passed on, once that many requests are there. */
    async forwarded(to: string, count: number) {
      const got = () => output.received.filter(({ url }) => url.startsWith(to));
      await vi.waitFor(() => expect(got().length, said).toBe(count), 10_000);
      return got().map(({ body }) => JSON.parse(body.toString()));
    },
  };
}

describe.skipIf(!FALCOSIDEKICK)("a real falcosidekick", () => {
  test("passes alerts of all dialects on to its outputs", async () => {
    const { hook, forwarded } = await falcosidekick();
    const matches = [
      match({ rule: "KubeSphere", message: () => "alice read db" }),
      match({ rule: "Sigma", dialect: "sigma", priority: "critical", rank: 4, tags: ["attack.t1552"] }),
      match({
        rule: "Falco",
        dialect: "falco",
        priority: "Notice",
        rank: 1,
        fields: () => ({ "ka.user.groups": ["dev", "ops"], "ka.auth.decision": null, "k8s.ns.name": "shop" }),
      }),
    ];
    const sent = request(hook, [EVENT], { matches });
    expect(await hook.send(sent, signal)).toEqual([{ kind: "done" }]);

    // It passes them on at once, in no order.
    const passed = await forwarded("/webhook", 3);
    const posted = matches.map(({ rule }) => passed.find((each) => each.rule === rule));
    expect(posted.map(({ rule, priority, output }) => `${rule} ${priority} ${output}`)).toEqual([
      "KubeSphere Warning 12:00:00.000001000: Warning alice read db",
      "Sigma Critical 12:00:00.000001000: Critical a secret was read",
      "Falco Notice 12:00:00.000001000: Notice a secret was read",
    ]);
    for (const each of posted) {
      expect(each).toMatchObject({ time: "2026-11-21T12:00:00.000001Z", source: "k8s_audit", hostname: "cp-1" });
      expect(each.output_fields).toMatchObject({ "auditship.id": sent.ids[0], "ka.user.name": "alice" });
    }
    expect(posted[1].tags).toEqual(["attack.t1552"]);
    expect(posted[2].output_fields).toMatchObject({ "ka.user.groups": ["dev", "ops"], "ka.auth.decision": null });
    const alerts = (await forwarded("/api/v2/alerts", 3)).flat();
    expect(alerts.map(({ labels }) => labels.rule).sort()).toEqual(["Falco", "KubeSphere", "Sigma"]);
    expect(await forwarded("/slack", 3)).toHaveLength(3);
    expect(await forwarded("/loki", 3)).toHaveLength(3);
  });

  test("takes every alert, whatever clients wrote into it or left out", async () => {
    const { hook, forwarded } = await falcosidekick();
    const hostile = [
      {},
      { verb: null, user: "no object", objectRef: [], responseStatus: { code: "x" } },
      { ...EVENT, user: { username: '"<>&\u0000\ud800\u2028' }, requestURI: "x".repeat(100_000) },
      { ...EVENT, stageTimestamp: "2026-13-45T99:00:00Z" },
      { ...EVENT, stageTimestamp: "2026-11-21T12:00:00Z", auditID: "[a](b)%s%d\n" },
    ];
    const sent = request(hook, hostile, { matches: [match({ tags: ["<b>"], message: () => "\ud83d".repeat(2000) })] });
    expect(await hook.send(sent, signal)).toEqual(hostile.map(() => ({ kind: "done" })));
    const posted = await forwarded("/webhook", hostile.length);
    expect(posted.map(({ output_fields }) => output_fields["auditship.id"]).sort()).toEqual(sent.ids.sort());
  });
});

describe.each(ALERTMANAGERS)("$name", (release) => {
  test.skipIf(!SCRIPTS || !release.url)("posts to webhooks what the format alertmanager posts", async () => {
    const fromAlertmanager = await receiver();
    const PORT = String(await freePort());
    const AM_DIR = await mkdtemp(join(tmpdir(), "auditship-alertmanager-"));
    const alertmanager = { ...release.env, PORT, AM_DIR, AM_WEBHOOK: fromAlertmanager.url };
    const address = await script("alertmanager-up", alertmanager);
    try {
      const fromUs = await receiver();
      const hook = await sink({ url: fromUs.url, format: "alertmanager" });
      const hostile = { ...EVENT, user: { username: 'älice "x"\\\n' } };
      await hook.send(request(hook, [hostile], { matches: [match()] }), signal);
      const [{ alerts, ...notification }] = bodies(fromUs);
      const [{ labels, annotations, startsAt }] = alerts;
      const answer = await fetch(`${address}/api/v2/alerts`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify([{ labels, annotations, startsAt, endsAt: new Date(Date.now() + 60_000) }]),
      });
      expect(answer.status, await answer.text()).toBe(200);
      await vi.waitFor(() => expect(fromAlertmanager.received).toHaveLength(1), 20_000);
      // Members that 0.25 does not have yet.
      const [{ notification_reason: _reason, routeLabels: _labels, ...theirs }] = bodies(fromAlertmanager);
      // Its name and its address are its own.
      const { receiver: name, externalURL } = theirs;
      expect(theirs).toEqual({ ...notification, alerts, receiver: name, externalURL });
      expect([typeof notification.receiver, typeof notification.externalURL]).toEqual([
        typeof name,
        typeof externalURL,
      ]);
    } finally {
      await script("alertmanager-up", alertmanager, "--wipe");
    }
  });
});
