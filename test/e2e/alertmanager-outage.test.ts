import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { freePort } from "../support/ports.js";
import { ALERTMANAGERS, active, OwnAlertmanager } from "./alertmanager-server.js";
import { Agent } from "./program.js";
import { SCRIPTS } from "./scripts.js";

const WAIT = { timeout: 30_000, interval: 50 };
const RULE = "E2eSecretRead";
const RULES = `apiVersion: auditing.kubesphere.io/v1alpha1
kind: Rule
metadata: { name: e2e, labels: { type: alerting }, annotations: { runbook_url: "https://runbooks.example/secrets" } }
spec:
  rules:
  - { name: ${RULE}, type: rule, enable: true, priority: WARNING, condition: 'ObjectRef.Resource = "secrets"', output: "\${User.username} read \${ObjectRef.Name}, token \${RequestURI}" }
`;

/** An agent with a log of its own, which sends to `urls` and keeps an archive beside. */
class Site {
  readonly #directory = mkdtempSync(join(tmpdir(), "auditship-e2e-alerts-"));
  readonly #config = join(this.#directory, "auditship.yaml");
  readonly #log = join(this.#directory, "log", "audit.log");
  #agent: Agent | undefined;
  #written = 0;

  constructor(urls: string[], options: object) {
    mkdirSync(join(this.#directory, "log"));
    writeFileSync(join(this.#directory, "rules.yaml"), RULES);
    writeFileSync(this.#log, "");
    const pager = { type: "alertmanager", urls, startAt: "beginning", ...options };
    const archive = { type: "file", path: "archive.ndjson" };
    const config = {
      sources: { apiserver: { path: "log/audit.log" } },
      state: "state",
      cluster: "e2e",
      node: "node-1",
      rules: { paths: ["rules.yaml"] },
      sinks: { pager, archive },
      observe: { listen: "none" },
    };
    writeFileSync(this.#config, JSON.stringify(config));
    onTestFinished(async () => {
      await this.#agent?.stop("SIGKILL");
      rmSync(this.#directory, { recursive: true, force: true });
    });
  }

  start(): void {
    this.#agent = new Agent(this.#config);
  }

  kill(): Promise<unknown> {
    return this.#agent!.stop("SIGKILL");
  }

  /** Reads of a secret, as kube-apiserver writes them. */
  write(user: string, count = 1, uri = "/api/v1/namespaces/shop/secrets/db"): void {
    for (let index = 0; index < count; index++) {
      const now = new Date().toISOString();
      const event = {
        kind: "Event",
        apiVersion: "audit.k8s.io/v1",
        level: "Metadata",
        auditID: `id-${++this.#written}`,
        stage: "ResponseComplete",
        requestURI: uri,
        verb: "get",
        user: { username: user },
        objectRef: { resource: "secrets", namespace: "shop", name: "db", apiVersion: "v1" },
        responseStatus: { code: 200 },
        requestReceivedTimestamp: now,
        stageTimestamp: now,
      };
      appendFileSync(this.#log, `${JSON.stringify(event)}\n`);
    }
  }

  /** Events in the archive. */
  archived(): number {
    return read(join(this.#directory, "archive.ndjson")).split("\n").length - 1;
  }

  /** What the agent wrote down of its alerts. */
  state(): string {
    return read(join(this.#directory, "state", "sinks", "pager.json"));
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Users whose alerts an Alertmanager shows, with their counts. */
async function users(am: OwnAlertmanager): Promise<Record<string, string>> {
  const shown = await active(am.url, RULE);
  return Object.fromEntries(shown.map(({ labels, annotations }) => [labels.user, annotations.count]));
}

describe.for(ALERTMANAGERS)("an agent and $name that come and go", (release) => {
  const it = test.skipIf(!SCRIPTS || !release.url);

  async function alertmanager(args?: readonly string[]): Promise<OwnAlertmanager> {
    const am = await OwnAlertmanager.make(release, args);
    onTestFinished(() => am.remove());
    return am;
  }

  it("has its active alerts, with their counts, over a kill -9 of both", async () => {
    const am = await alertmanager();
    await am.start();
    const site = new Site([am.url], { resolveAfter: "1h" });
    site.start();
    site.write("alice", 3);
    site.write("bob");
    await vi.waitFor(async () => expect(await users(am)).toEqual({ alice: "3", bob: "1" }), WAIT);
    expect((await active(am.url, RULE))[0].annotations).toMatchObject({
      runbook_url: "https://runbooks.example/secrets",
      firstAuditID: "id-1",
    });
    await vi.waitFor(() => expect(site.state()).toContain("id-4"), WAIT);
    await site.kill();
    await am.signal("SIGKILL");
    await am.start();
    expect(await users(am)).toEqual({});
    site.write("alice");
    site.start();
    await vi.waitFor(async () => expect(await users(am)).toEqual({ alice: "4", bob: "1" }), WAIT);
  });

  it("sends what is active when the Alertmanager is back, whether it was told before or not; nothing else waits", async () => {
    const am = await alertmanager();
    await am.start();
    const site = new Site([am.url], { resolveAfter: "1h", resendEvery: "2s" });
    site.start();
    site.write("before");
    await vi.waitFor(async () => expect(await users(am)).toEqual({ before: "1" }), WAIT);
    await am.signal("SIGKILL");
    for (let minute = 0; minute < 60; minute++) site.write(`meanwhile-${minute % 5}`);
    await vi.waitFor(() => expect(site.archived()).toBe(61), WAIT);
    await am.start();
    const all = { before: "1", ...Object.fromEntries([0, 1, 2, 3, 4].map((n) => [`meanwhile-${n}`, "12"])) };
    await vi.waitFor(async () => expect(await users(am)).toEqual(all), WAIT);
    // Restarted at once: it has forgotten everything, and is told again within resendEvery.
    await am.signal("SIGKILL");
    await am.start();
    await vi.waitFor(async () => expect(await users(am)).toEqual(all), WAIT);
  });

  it("does not send what ended while the Alertmanager was away, and does what nobody was told of, quiet as it is", async () => {
    const am = await alertmanager();
    await am.start();
    const site = new Site([am.url], { resolveAfter: "1s", resendEvery: "300ms" });
    site.start();
    site.write("before");
    await vi.waitFor(async () => expect(await users(am)).toEqual({ before: "1" }), WAIT);
    await am.signal("SIGKILL");
    site.write("meanwhile", 2);
    await vi.waitFor(() => expect(site.state()).toContain("meanwhile"), WAIT);
    let later = 0;
    const hasEnded = () => {
      // What is written down is so with a cursor that has moved.
      site.write("later");
      later++;
      expect(site.state()).not.toContain("before");
    };
    await vi.waitFor(hasEnded, { ...WAIT, interval: 250 });
    await am.start();
    const untold = { meanwhile: "2", later: String(later) };
    // It is asked again within 30 s.
    await vi.waitFor(async () => expect(await users(am)).toEqual(untold), { ...WAIT, timeout: 60_000 });
    await vi.waitFor(async () => expect(await users(am)).toEqual({}), WAIT);
  });

  it("ends at the Alertmanager and in the state after it was quiet", async () => {
    const am = await alertmanager();
    await am.start();
    const site = new Site([am.url], { resolveAfter: "2s" });
    site.start();
    site.write("alice");
    await vi.waitFor(async () => expect(await users(am)).toEqual({ alice: "1" }), WAIT);
    await vi.waitFor(async () => expect(await users(am)).toEqual({}), WAIT);
    site.write("bob");
    await vi.waitFor(async () => expect(await users(am)).toEqual({ bob: "1" }), WAIT);
    await vi.waitFor(() => expect(site.state()).toContain("bob"), WAIT);
    expect(site.state()).not.toContain("alice");
  });

  it("tells both of a clustered pair; one that never answers delays the other by nothing", async () => {
    const gossip = await freePort();
    const [one, two] = [
      await alertmanager([`--cluster.listen-address=127.0.0.1:${gossip}`]),
      await alertmanager([
        `--cluster.listen-address=127.0.0.1:${await freePort()}`,
        `--cluster.peer=127.0.0.1:${gossip}`,
      ]),
    ];
    await Promise.all([one.start(), two.start()]);
    await vi.waitFor(async () => {
      const answer = await fetch(`${two.url}/api/v2/status`);
      expect(((await answer.json()) as { cluster: { peers: object[] } }).cluster.peers).toHaveLength(2);
    }, WAIT);
    const site = new Site([two.url, one.url], { resolveAfter: "1h", timeout: "10m" });
    site.start();
    site.write("alice");
    await vi.waitFor(async () => expect(await users(one)).toEqual({ alice: "1" }), WAIT);
    await vi.waitFor(async () => expect(await users(two)).toEqual({ alice: "1" }), WAIT);
    // A request to it is never answered now, and not given up for ten minutes.
    await two.signal("SIGSTOP");
    for (const user of ["bob", "carol", "dave"]) {
      site.write(user);
      await vi.waitFor(async () => expect(await users(one)).toHaveProperty(user), WAIT);
    }
    await two.signal("SIGCONT");
    await vi.waitFor(async () => expect(Object.keys(await users(two))).toHaveLength(4), WAIT);
  });

  it("shows no secret that was redacted, nor writes it down", async () => {
    const am = await alertmanager();
    await am.start();
    const site = new Site([am.url], { resolveAfter: "1h" });
    site.start();
    const secret = "s3cr3t-canary-8f1e";
    site.write("alice", 1, `/api/v1/namespaces/shop/secrets/db?token=${secret}`);
    await vi.waitFor(async () => expect(await users(am)).toEqual({ alice: "1" }), WAIT);
    const [{ annotations }] = await active(am.url, RULE);
    expect(annotations.message).toMatch(/^alice read db, token .*token=.+/);
    await vi.waitFor(() => expect(site.state()).toContain("alice"), WAIT);
    expect(JSON.stringify(annotations)).not.toContain(secret);
    expect(site.state()).not.toContain(secret);
  });
});
