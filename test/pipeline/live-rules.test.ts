import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import webhook from "../../plugins/sinks/webhook.js";
import { loadConfig } from "../../src/config/load.js";
import { askStatus } from "../../src/observe/control.js";
import { createLog } from "../../src/observe/log.js";
import { Metrics } from "../../src/observe/meter.js";
import { Agent } from "../../src/pipeline/agent.js";
import { AuditshipError } from "../../src/plugin/index.js";
import { ApiServer, fail } from "../kubernetes/api-server.js";
import { auditLine } from "../support/batches.js";
import { patience } from "../support/patience.js";

const GROUP = "/apis/auditing.kubesphere.io/v1alpha1";
const rulesOf = (namespace: string) => `${GROUP}/namespaces/${namespace}/rules`;
const RULES = rulesOf("kubesphere-logging-system");
const WEBHOOKS = `${GROUP}/webhooks`;
const EVENTS = "/api/v1/namespaces/kubesphere-logging-system/events";

let api: ApiServer;
let directory: string;
let said: { level: string; msg: string; [key: string]: unknown }[];
let metrics: Metrics;
const at = (name: string) => join(directory, name);

beforeEach(async () => {
  api = await ApiServer.start();
  directory = await mkdtemp(join(tmpdir(), "auditship-live-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  said = [];
  metrics = new Metrics();
});

async function config(rules: object = {}, archive: object = {}) {
  const whole = {
    sources: { apiserver: { path: "audit.log" } },
    state: "state",
    kubernetes: { kubeconfig: api.kubeconfig() },
    rules: { watch: true, paths: ["rules"], ...rules },
    stages: ["parse", "match", "redact"],
    sinks: { archive: { type: "file", path: "archive.ndjson", ...archive } },
    observe: { listen: "none" },
  };
  await writeFile(at("auditship.yaml"), JSON.stringify(whole));
  return loadConfig(at("auditship.yaml"), { env: {} });
}

async function start(rules: object = {}, archive: object = {}): Promise<Agent> {
  await mkdir(at("rules"), { recursive: true });
  await writeFile(at("audit.log"), "");
  const write = (line: string) => void said.push(JSON.parse(line));
  const log = createLog({ level: "info", pretty: false, to: { write } });
  const agent = await Agent.start(await config(rules, archive), { once: false, log, metrics });
  onTestFinished(() => agent.stop());
  return agent;
}

const item = (name: string, condition = "Verb exists") => ({
  name,
  type: "rule",
  condition,
  enable: true,
  priority: "WARNING",
});

/** Puts a Rule resource into the cluster. */
let generation = 1;
function put(name: string, rules: object[], { path = RULES, ...more }: { path?: string; status?: object } = {}): void {
  const namespace = path.split("/")[5];
  const metadata = { name, namespace, uid: name, generation: ++generation, labels: { type: "alerting" } };
  api.apply(path, { metadata, spec: { rules }, ...more });
}

/** Puts the Webhook resource into the cluster. */
const putWebhook = (spec: object) =>
  api.apply(WEBHOOKS, { metadata: { name: "kube-auditing-webhook", uid: "w" }, spec });

let written = 0;
/** Writes an event; the rules that its document says it matches. */
async function matches(more: object = {}): Promise<string[]> {
  const line = auditLine(++written, more);
  await appendFile(at("audit.log"), `${line}\n`);
  const document = await vi.waitFor(async () => {
    const lines = (await readFile(at("archive.ndjson"), "utf8")).trim().split("\n");
    return JSON.parse(lines.find((each) => each.includes(JSON.parse(line).auditID))!);
  }, patience);
  return (document.auditship.matches ?? []).map(({ rule }: { rule: string }) => rule);
}

const eventually = (expected: string[]) => expect.poll(() => matches(), patience).toEqual(expected);
const asked = (method: string, path: string) =>
  api.asked.filter((each) => each.method === method && each.path === path).map(({ body }) => JSON.parse(body));
const logged = (text: string) => said.filter(({ msg }) => msg.includes(text)).length;

describe("rules that are watched", () => {
  it("are in force from the first event on, and follow what is created, changed and deleted", async () => {
    put("first", [item("First")]);
    await start();
    expect(await matches()).toEqual(["First"]);
    put("second", [item("Second")]);
    await eventually(["First", "Second"]);
    put("first", [item("Changed")]);
    await eventually(["Changed", "Second"]);
    api.delete("second", RULES);
    await eventually(["Changed"]);
    api.delete("first", RULES);
    await eventually([]);
    expect(metrics.get("auditship_rules", "kubesphere")).toBe(0);
  });

  it("are those of the namespaces that the configuration names, and nothing else is asked", async () => {
    put("shop", [item("Tenant")], { path: rulesOf("shop") });
    put("own", [item("Own")], { path: rulesOf("own") });
    await start({ namespaces: ["own", "other"] });
    expect(await matches()).toEqual(["Own"]);
    const paths = new Set(api.asked.filter(({ method }) => method === "GET").map(({ path }) => path));
    expect([...paths].sort()).toEqual([rulesOf("other"), rulesOf("own"), WEBHOOKS].sort());
  });

  it("neither replace nor are replaced by those of files, whose reload keeps them", async () => {
    await mkdir(at("rules"));
    const resource = (rule: string) =>
      JSON.stringify({
        apiVersion: "auditing.kubesphere.io/v1alpha1",
        kind: "Rule",
        metadata: { name: "same", labels: { type: "alerting" } },
        spec: { rules: [item(rule)] },
      });
    await writeFile(at("rules/a.json"), resource("File"));
    put("same", [item("File"), item("Live")]);
    const agent = await start();
    expect(await matches()).toEqual(["File", "File", "Live"]);
    await writeFile(at("rules/a.json"), resource("Changed"));
    await agent.reload(await config());
    expect(await matches()).toEqual(["Changed", "File", "Live"]);
    // One that is broken now does not hold up what changes in the cluster.
    await writeFile(at("rules/a.json"), resource("Changed").replace("Verb exists", "Verb ("));
    await agent.reload(await config());
    put("same", [item("New")]);
    await eventually(["Changed", "New"]);
  });

  it("may come after an archive of what they archive", async () => {
    await start({}, { select: "archived" });
    put("first", [item("First")]);
    await expect.poll(() => metrics.get("auditship_rules", "kubesphere"), patience).toBe(1);
    expect(await matches()).toEqual(["First"]);
  });

  it("say nothing and load nothing when only a status or another annotation has changed", async () => {
    put("first", [item("First")]);
    await start();
    await matches();
    const { metadata, ...rest } = api.collection(RULES).get("first")!;
    api.apply(RULES, { metadata: { ...metadata, annotations: { other: "x" } }, ...rest, status: { conditions: [] } });
    put("second", [item("Second")]);
    await eventually(["First", "Second"]);
    expect(logged("New rules are in force")).toBe(1);
    expect(metrics.get("auditship_reloads_total", "rules", "ok")).toBe(1);
  });

  it("come when the API server does, if it is not there at the start or has no such resource yet", async () => {
    api.script = (_, response) => fail(response, 404, "NotFound");
    const starting = start();
    await expect.poll(() => api.asked.length, patience).toBeGreaterThan(1);
    await starting;
    expect(await matches()).toEqual([]);
    api.script = () => false;
    put("first", [item("First")]);
    await eventually(["First"]);
  });

  it("may be long in coming: another agent is told meanwhile that the state directory is in use", async () => {
    const waiting: (() => void)[] = [];
    api.script = (_, response) => waiting.push(() => fail(response, 404, "NotFound")) > 0;
    const starting = start();
    await expect.poll(() => waiting.length).toBeGreaterThan(0);
    expect(await askStatus(at("state"))).toMatchObject({ pid: process.pid, sinks: [] });
    await expect(start()).rejects.toMatchObject({ code: "AUDITSHIP_STATE_LOCKED" });
    api.script = () => false;
    for (const answer of waiting) answer();
    await (await starting).stop();
  });

  it("are reported as too many, or too large, instead of read", async () => {
    put(
      "many",
      Array.from({ length: 1001 }, (_, n) => item(`R${n}`)),
    );
    put("large", [item("Large", `Verb = "${"x".repeat(600_000)}"`)]);
    put("fine", [item("Fine")]);
    await start();
    expect(await matches()).toEqual(["Fine"]);
    const messages = () => asked("POST", EVENTS).map(({ message }) => message);
    await expect
      .poll(() => messages().sort(), patience)
      .toEqual([
        expect.stringMatching(/^It has 1001 rules, .* more than 1000; divide it/),
        expect.stringMatching(/^It has 6\d{5} bytes, more than 524288; divide it/),
      ]);
  });
});

describe("a rule that is watched and has an error", () => {
  it("leaves the last version of its resource in force, while others change", async () => {
    put("a", [item("A1"), item("A2")]);
    put("b", [item("B")]);
    await start();
    expect(await matches()).toEqual(["A1", "A2", "B"]);
    put("a", [item("A1"), item("Bad", "Verb ("), item("A3")]);
    put("b", [item("B2")]);
    await eventually(["A1", "A2", "B2"]);
    expect(metrics.get("auditship_rules_refused")).toBe(1);
    put("a", [item("A1"), item("A3")]);
    await eventually(["A1", "A3", "B2"]);
    expect(metrics.get("auditship_rules_refused")).toBe(0);
  });

  it("is left out alone where there was no version before", async () => {
    put("a", [item("Bad", "Verb ("), item("Good")]);
    await start();
    expect(await matches()).toEqual(["Good"]);
  });

  it("is told once: in the log, as a Kubernetes Event, and in the status", async () => {
    put("a", [item("Bad", "Verb ("), item("Good")]);
    await start();
    await expect.poll(() => asked("POST", EVENTS), patience).toHaveLength(1);
    const [event] = asked("POST", EVENTS);
    expect(event).toMatchObject({
      kind: "Event",
      metadata: { name: expect.stringMatching(/^a\.[0-9a-f]{16}$/), namespace: "kubesphere-logging-system" },
      involvedObject: { kind: "Rule", name: "a", namespace: "kubesphere-logging-system", uid: "a" },
      type: "Warning",
      reason: "Refused",
      message: expect.stringContaining("Rule kubesphere-logging-system/a.Bad: "),
    });
    await expect.poll(() => asked("PATCH", `${RULES}/a/status`), patience).toHaveLength(1);
    const [{ status }] = asked("PATCH", `${RULES}/a/status`);
    expect(status).toMatchObject({
      observedGeneration: generation,
      conditions: [{ type: "Accepted", status: "False", reason: "Refused", observedGeneration: generation }],
    });
    expect(status.conditions[0].message).toMatch(/^What has no errors is in force, .*a\.Bad/);
    put("b", [item("B")]);
    await eventually(["Good", "B"]);
    await expect.poll(() => asked("PATCH", `${RULES}/b/status`), patience).toHaveLength(1);
    expect(asked("POST", EVENTS)).toHaveLength(1);
    expect(asked("PATCH", `${RULES}/a/status`)).toHaveLength(1);
    expect(logged("Rule refused")).toBe(1);
  });

  it("is logged although more is wrong in files than is logged of one load, which is told once", async () => {
    await mkdir(at("rules"));
    const bad = Array.from({ length: 55 }, (_, n) => item(`Bad${n}`, "Verb ("));
    const metadata = { name: "many", labels: { type: "alerting" } };
    const many = { apiVersion: "auditing.kubesphere.io/v1alpha1", kind: "Rule", metadata, spec: { rules: bad } };
    await writeFile(at("rules/many.json"), JSON.stringify(many));
    await start();
    expect([logged("Rule refused"), logged("There are more errors")]).toEqual([50, 1]);
    put("a", [item("A"), item("OneMore", "Verb (")]);
    await eventually(["A"]);
    expect([logged("Rule refused"), logged("There are more errors")]).toEqual([51, 1]);
    expect(logged("a.OneMore: ")).toBe(1);
  });

  it("is told in a status of the version that was refused, which says what is in force instead", async () => {
    put("a", [item("A")]);
    await start();
    put("a", [item("A", "Verb (")]);
    const statuses = () => asked("PATCH", `${RULES}/a/status`).map(({ status }) => status.conditions[0]);
    await expect.poll(statuses, patience).toMatchObject([
      { status: "True", reason: "Accepted", observedGeneration: generation - 1 },
      { status: "False", message: expect.stringMatching(/^The last version without errors stays in force/) },
    ]);
  });

  it("is not told in a status that says so already, as another agent's", async () => {
    const condition = { type: "Accepted", status: "True", reason: "Accepted", message: "" };
    put("a", [item("A")], { status: { observedGeneration: generation + 1, conditions: [condition] } });
    put("b", [item("B")]);
    await start();
    await expect.poll(() => asked("PATCH", `${RULES}/b/status`), patience).toHaveLength(1);
    expect(asked("PATCH", `${RULES}/a/status`)).toEqual([]);
  });

  it.each([
    ["an Event that is there already and a resource without a status", 409, 404, 0],
    ["a right that is missing", 403, 403, 2],
  ])("stops nothing for %s", async (_, event, status, warnings) => {
    api.script = ({ method }, response) => {
      if (method === "GET") return false;
      return fail(response, method === "POST" ? event : status, "No");
    };
    put("a", [item("Bad", "Verb ("), item("Good")]);
    put("b", [item("Bad", "Verb (")]);
    await start();
    expect(await matches()).toEqual(["Good"]);
    await expect.poll(() => asked("PATCH", `${RULES}/b/status`), patience).toHaveLength(1);
    put("a", [item("Better")]);
    await eventually(["Better"]);
    expect(logged("Cannot report in the cluster")).toBe(warnings);
  });
});

describe("the Webhook resource that is watched", () => {
  it("has receivers that become sinks, and go with it", async () => {
    put("a", [item("A")]);
    const agent = await start();
    const sinks = () => (agent.status() as { sinks: { name: string }[] }).sinks.map(({ name }) => name);
    const receiver = (name: string) => ({ name, type: "webhook", config: { url: api.url } });
    putWebhook({ receivers: [receiver("one"), receiver("two")] });
    await expect.poll(sinks, patience).toEqual(["archive", "one", "two"]);
    putWebhook({ receivers: [receiver("two")] });
    await expect.poll(sinks, patience).toEqual(["archive", "two"]);
    api.delete("kube-auditing-webhook", WEBHOOKS);
    await expect.poll(sinks, patience).toEqual(["archive"]);
    expect(await matches()).toEqual(["A"]);
  });

  it("is told that a receiver's sink cannot be made, and what was in force stays", async () => {
    put("a", [item("A")]);
    putWebhook({ receivers: [] });
    const agent = await start();
    const failed = new AuditshipError("AUDITSHIP_CONFIG_VALUE", "sink hook: it cannot be made.");
    const create = vi.spyOn(webhook, "create").mockRejectedValueOnce(failed);
    onTestFinished(() => create.mockRestore());
    const receiver = { name: "hook", type: "webhook", config: { url: api.url } };
    putWebhook({ receivers: [receiver] });
    const status = () => asked("PATCH", `${WEBHOOKS}/kube-auditing-webhook/status`).at(-1)?.status.conditions[0];
    await expect.poll(status, patience).toMatchObject({
      status: "False",
      message: "The last version without errors stays in force. sink hook: it cannot be made.",
    });
    const events = asked("POST", "/api/v1/namespaces/default/events");
    expect(events).toMatchObject([{ reason: "Refused", message: expect.stringContaining("it cannot be made") }]);
    // The Rule resource is in force as it was, and nobody is told otherwise.
    expect(asked("PATCH", `${RULES}/a/status`)).toHaveLength(1);
    expect(await matches()).toEqual(["A"]);
    put("b", [item("B")]);
    await eventually(["A", "B"]);
    await expect.poll(status, patience).toMatchObject({ status: "True" });
    const sinks = () => (agent.status() as { sinks: object[] }).sinks;
    await expect.poll(sinks, patience).toMatchObject([{ name: "archive" }, { name: "hook" }]);
  });

  it("is reported for a selector that selects nothing, in namespace default", async () => {
    put("a", [item("A")]);
    putWebhook({ auditSinkPolicy: { archivingRuleSelector: { matchLabels: { type: "persistence" } } } });
    await start();
    const events = () => asked("POST", "/api/v1/namespaces/default/events");
    await expect.poll(events, patience).toHaveLength(1);
    expect(events()[0]).toMatchObject({
      involvedObject: { kind: "Webhook", name: "kube-auditing-webhook" },
      reason: "SelectsNothing",
      message: expect.stringContaining("type: persistence"),
    });
    expect(metrics.get("auditship_selectors_unmatched")).toBe(1);
  });

  it("is shown with its level and what is not used, once", async () => {
    putWebhook({ auditLevel: "Metadata", k8sAuditingEnabled: true, replicas: 2 });
    const agent = await start();
    expect(agent.status()).toMatchObject({ kubesphere: { auditLevel: "Metadata", k8sAuditingEnabled: true } });
    put("a", [item("A")]);
    await eventually(["A"]);
    const lines = said.filter(({ msg }) => msg.startsWith("KubeSphere's Webhook resource is in force."));
    expect(lines).toMatchObject([{ auditLevel: "Metadata", k8sAuditingEnabled: true, unused: ["replicas"] }]);
  });
});
