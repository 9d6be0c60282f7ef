import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { parseAllDocuments } from "yaml";
import { KubernetesClient } from "../../src/kubernetes/client.js";
import { seenResource } from "../../src/pipeline/live-resource.js";
import type { KubernetesObject } from "../../src/plugin/index.js";
import { loadRules } from "../../src/rules/index.js";
import { auditLine } from "../support/batches.js";
import { Agent } from "./program.js";

/** Of a real kube-apiserver. */
const KUBECONFIG = process.env.AUDITSHIP_TEST_KUBECONFIG;
const DATA = process.env.AUDITSHIP_TEST_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
/** How often the rules are changed under load. */
const CHANGES = Number(process.env.AUDITSHIP_TEST_RULE_CHANGES ?? 40);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const GROUP = "/apis/auditing.kubesphere.io/v1alpha1";
const NAMESPACE = `auditship-live-${process.pid}`;
const RULES = `${GROUP}/namespaces/${NAMESPACE}/rules`;
const patience = { timeout: 30_000, interval: 20 };

function kubectl(args: string[], input?: string): string {
  const environment = { ...process.env, KUBECONFIG };
  return execFileSync("kubectl", args, { cwd: ROOT, encoding: "utf8", input, env: environment, stdio: "pipe" });
}

type Resource = KubernetesObject & { spec?: unknown; status?: { conditions?: Record<string, unknown>[] } };

const item = (name: string, condition = "Verb exists") => ({
  name,
  type: "rule",
  condition,
  enable: true,
  priority: "WARNING",
});

const ruleResource = (name: string, rules: object[]) => ({
  apiVersion: "auditing.kubesphere.io/v1alpha1",
  kind: "Rule",
  metadata: { name, namespace: NAMESPACE, labels: { type: "alerting" } },
  spec: { rules },
});

const webhookResource = (spec: object) => ({
  apiVersion: "auditing.kubesphere.io/v1alpha1",
  kind: "Webhook",
  metadata: { name: "kube-auditing-webhook" },
  spec,
});

describe.skipIf(!KUBECONFIG)("at a real kube-apiserver with the CRDs of daemonset/crds,", () => {
  let client: KubernetesClient;

  beforeAll(async () => {
    client = await KubernetesClient.open(KUBECONFIG);
    for (const name of ["rules", "webhooks"]) {
      if (kubectl(["get", "crd", `${name}.auditing.kubesphere.io`, "--ignore-not-found"]) !== "") continue;
      kubectl(["create", "-f", `daemonset/crds/${name}.yaml`]);
    }
    kubectl(["wait", "--for=condition=Established", "--timeout=30s", "-f", "daemonset/crds/rules.yaml"]);
    kubectl(["wait", "--for=condition=Established", "--timeout=30s", "-f", "daemonset/crds/webhooks.yaml"]);
    kubectl(["create", "namespace", NAMESPACE]);
    // A new resource answers a moment after its definition is established.
    await vi.waitFor(() => client.json(RULES), patience);
    kubectl(["create", "-n", NAMESPACE, "serviceaccount", "auditship"]);
    kubectl(["apply", "-f", "-"], rights());
  });
  afterAll(() => {
    kubectl(["delete", "-n", NAMESPACE, "rules.auditing.kubesphere.io", "--all"]);
    kubectl(["delete", "webhooks.auditing.kubesphere.io", "--all"]);
    kubectl(["delete", "-f", "-"], rights());
    kubectl(["delete", "namespace", NAMESPACE, "--wait=false"]);
  });

  /** What the server would make of a resource. */
  const dryRun = (resource: unknown): Resource =>
    JSON.parse(kubectl(["create", "--dry-run=server", "-o", "json", "-f", "-"], JSON.stringify(resource)));
  /** Puts a resource there, in the place of one of its name. */
  const apply = (resource: object) => kubectl(["apply", "-f", "-"], JSON.stringify(resource));

  const defaults = ["default-rules.ks-installer-master.yaml", "default-rules.2020-06-08-original.yaml"];
  it.skipIf(!existsSync(join(DATA, "kubesphere"))).each(defaults)("KubeSphere's own %s are taken unchanged", (file) => {
    const documents = parseAllDocuments(readFileSync(join(DATA, "kubesphere", file), "utf8"));
    const resources = documents.map((document) => document.toJS()).filter(Boolean) as Resource[];
    expect(resources.length).toBeGreaterThan(0);
    for (const resource of resources) {
      const metadata = { ...resource.metadata, namespace: NAMESPACE };
      expect(dryRun({ ...resource, metadata }).spec).toEqual(resource.spec);
    }
  });

  it.skipIf(!existsSync(join(DATA, "kubesphere")))("KubeSphere's own Webhook resource is taken unchanged", () => {
    const template = readFileSync(join(DATA, "kubesphere", "webhook-cr-template.yaml"), "utf8");
    const resource = parseAllDocuments(rendered(template))[0].toJS() as Resource;
    expect(dryRun(resource).spec).toEqual(resource.spec);
  });

  it.each<[string, object, RegExp]>([
    ["a rule without a condition", ruleResource("x", [{ name: "a", type: "rule", enable: true }]), /needs a condition/],
    ["an empty macro", ruleResource("x", [{ name: "a", type: "macro", macro: "" }]), /needs macro/],
    ["an alias that is a list", ruleResource("x", [{ name: "a", type: "alias", list: ["x"] }]), /needs alias/],
    ["a type that is none", ruleResource("x", [{ name: "a", type: "rules" }]), /Unsupported value: "rules"/],
    ["a priority that is none", ruleResource("x", [{ ...item("a"), priority: "HIGH" }]), /Unsupported value: "HIGH"/],
    ["a level that is none", webhookResource({ auditLevel: "All" }), /Unsupported value: "All"/],
    ["a receiver that is nowhere", webhookResource({ receivers: [{ type: "webhook", config: {} }] }), /one of url and/],
  ])("%s is refused", (_, resource, message) => {
    expect(() => dryRun(resource)).toThrow(message);
  });

  it("a Webhook resource that says nothing has KubeSphere's defaults", () => {
    expect(dryRun(webhookResource({})).spec).toEqual({
      archivingPriority: "DEBUG",
      alertingPriority: "WARNING",
      auditLevel: "Metadata",
      k8sAuditingEnabled: false,
    });
  });

  describe("an agent that watches its rules", () => {
    let directory: string;
    let agent: Agent;
    let receiver: Server;
    let posted: { path: string; body: { Message: string } }[];
    let written = 0;
    const at = (name: string) => join(directory, name);

    beforeEach(async () => {
      directory = mkdtempSync(join(tmpdir(), "auditship-live-"));
      mkdirSync(at("log"));
      writeFileSync(at("log/audit.log"), "");
      posted = [];
      written = 0;
      receiver = createServer(async (request, response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        if (request.method === "POST") {
          posted.push({ path: request.url!, body: JSON.parse(Buffer.concat(chunks).toString()) });
        }
        response.end();
      }).listen(0, "127.0.0.1");
      writeFileSync(
        at("auditship.yaml"),
        JSON.stringify({
          sources: { apiserver: { path: "log/audit.log" } },
          state: "state",
          kubernetes: { kubeconfig: "kubeconfig" },
          rules: { watch: true, namespaces: [NAMESPACE] },
          stages: ["parse", "match", "redact"],
          sinks: { archive: { type: "file", path: "archive.ndjson", request: { maxWait: "50ms" } } },
          observe: { listen: "127.0.0.1:0" },
        }),
      );
      writeFileSync(at("kubeconfig"), ofServiceAccount());
      agent = new Agent(at("auditship.yaml"));
      await vi.waitFor(() => expect(agent.log).toContain("Agent started."), patience);
    });
    afterEach(async () => {
      await agent.stop("SIGKILL");
      receiver.close();
      kubectl(["delete", "-n", NAMESPACE, "rules.auditing.kubesphere.io", "--all"]);
      kubectl(["delete", "webhooks.auditing.kubesphere.io", "--all"]);
      rmSync(directory, { recursive: true });
    });

    const archive = () => {
      const lines = existsSync(at("archive.ndjson")) ? readFileSync(at("archive.ndjson"), "utf8").split("\n") : [];
      return lines.slice(0, -1).map((line) => JSON.parse(line));
    };

    function write(): string {
      const now = new Date().toISOString();
      const line = auditLine(++written, { requestReceivedTimestamp: now, stageTimestamp: now });
      appendFileSync(at("log/audit.log"), `${line}\n`);
      return JSON.parse(line).auditID;
    }

    /** The rules that an event matches which is written now. */
    async function matches(): Promise<string[]> {
      const id = write();
      const document = await vi.waitFor(() => {
        const found = archive().find(({ auditID }) => auditID === id);
        expect(found).toBeDefined();
        return found;
      }, patience);
      return (document.auditship.matches ?? []).map(({ rule }: { rule: string }) => rule);
    }
    const eventually = (expected: string[]) => expect.poll(matches, patience).toEqual(expected);
    /** Names of the sinks that run. */
    async function sinks(): Promise<string[]> {
      const { metrics } = JSON.parse(agent.log.split("\n").find((line) => line.includes("Agent started."))!);
      const page = await (await fetch(metrics)).text();
      return [...new Set([...page.matchAll(/^auditship_sink_state\{sink="([^"]+)"/gm)].map(([, name]) => name))];
    }
    const accepted = async (path: string) =>
      (await client.json<Resource>(path)).status?.conditions?.find(({ type }) => type === "Accepted");

    it("follows rules that are created, changed and deleted, and tells of each in its status", async () => {
      apply(ruleResource("one", [item("First")]));
      await eventually(["First"]);
      await expect
        .poll(() => accepted(`${RULES}/one`), patience)
        .toMatchObject({ status: "True", observedGeneration: 1 });
      apply(ruleResource("one", [item("Changed")]));
      apply(ruleResource("two", [item("Second")]));
      await eventually(["Changed", "Second"]);
      kubectl(["delete", "-n", NAMESPACE, "rule", "one"]);
      await eventually(["Second"]);
    });

    it("keeps the version before a bad one in force, and tells so in an Event and in the status", async () => {
      apply(ruleResource("one", [item("Good")]));
      await eventually(["Good"]);
      apply(ruleResource("one", [item("Better"), item("Bad", "Verb (")]));
      apply(ruleResource("two", [item("Other")]));
      await eventually(["Good", "Other"]);
      await expect
        .poll(() => accepted(`${RULES}/one`), patience)
        .toMatchObject({
          status: "False",
          reason: "Refused",
          observedGeneration: 2,
          message: expect.stringMatching(/^The last version without errors stays in force\. .*one\.Bad/),
        });
      const path = `/api/v1/namespaces/${NAMESPACE}/events`;
      const about = async () => {
        const { items } = await client.json<{ items: Record<string, unknown>[] }>(path);
        return items.map(({ reason, message, involvedObject }) => ({ reason, message, involvedObject }));
      };
      await expect.poll(about, patience).toMatchObject([
        {
          reason: "Refused",
          message: expect.stringContaining("one.Bad"),
          involvedObject: { kind: "Rule", name: "one" },
        },
      ]);
    });

    it("tells the receivers of the Webhook resource of alerts, and no longer when they are gone", async () => {
      apply(ruleResource("one", [{ ...item("Alert"), output: "${Verb} seen" }]));
      const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
      apply(webhookResource({ receivers: [{ name: "hook", type: "webhook", config: { url } }] }));
      await expect
        .poll(async () => [await matches(), posted[0]?.body.Message], patience)
        .toEqual([["Alert"], "list seen"]);
      await expect
        .poll(() => accepted(`${GROUP}/webhooks/kube-auditing-webhook`), patience)
        .toMatchObject({ status: "True" });
      apply(webhookResource({ receivers: [] }));
      await expect.poll(sinks, patience).toEqual(["archive"]);
    });

    it(`has of each event what the rules in force then said, though they change ${CHANGES} times`, async () => {
      const sets = new Map<string, string[]>([[await hashOf(undefined), []]]);
      const load = setInterval(() => {
        for (let n = 0; n < 5; n++) write();
      }, 5);
      let early = 0;
      for (let change = 1; change <= CHANGES; change++) {
        const names = change % 2 === 0 ? [`R${change}`] : [`R${change}`, `Also${change}`];
        const resource = ruleResource(
          "changing",
          names.map((name) => item(name)),
        );
        sets.set(await hashOf(resource), names);
        const body = { ...resource, metadata: { ...resource.metadata, managedFields: undefined } };
        const query = { fieldManager: "test", force: "true" };
        const contentType = "application/apply-patch+yaml";
        await client.json(`${RULES}/changing`, { method: "PATCH", query, body, contentType });
        if (change === Math.ceil(CHANGES / 4)) early = agent.peak();
      }
      const last = [...sets.values()].at(-1)!;
      await eventually(last);
      clearInterval(load);
      const documents = await vi.waitFor(() => {
        const found = archive();
        expect(found.length).toBeGreaterThanOrEqual(written);
        return found;
      }, patience);
      expect(documents.map(({ auditID }) => auditID)).toEqual([...new Set(documents.map(({ auditID }) => auditID))]);
      const seen = new Set<string>();
      for (const { auditship } of documents) {
        const set = auditship.rules ?? "";
        const expected = set === "" ? [] : sets.get(set);
        seen.add(set);
        expect((auditship.matches ?? []).map(({ rule }: { rule: string }) => rule)).toEqual(expected);
      }
      expect(seen.size).toBeGreaterThan(2);
      expect(agent.peak(), `MiB, ${early} after a quarter of the changes`).toBeLessThan(150);
    });
  });

  /** What the documents call the set of one resource. */
  async function hashOf(resource: KubernetesObject | undefined): Promise<string> {
    const resources = resource ? [seenResource("Rule", resource)] : [];
    const priorities = { archivingPriority: "DEBUG", alertingPriority: "WARNING" };
    const stages = ["ResponseStarted", "ResponseComplete", "Panic"];
    return (await loadRules({ paths: [], ...priorities, stages, resources })).set.hash;
  }
});

/** The rights that the component gives, for the test's own account and namespace. */
function rights(): string {
  const file = join(ROOT, "daemonset/components/kubesphere/rbac.yaml");
  const items = parseAllDocuments(readFileSync(file, "utf8")).map((document) => document.toJS());
  for (const { metadata, roleRef, subjects } of items) {
    metadata.name = NAMESPACE;
    if (metadata.namespace === "kubesphere-logging-system") metadata.namespace = NAMESPACE;
    if (roleRef) roleRef.name = NAMESPACE;
    for (const subject of subjects ?? []) subject.namespace = NAMESPACE;
  }
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}

/** A kubeconfig of an account that has these rights and no others. */
function ofServiceAccount(): string {
  const config = JSON.parse(kubectl(["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]));
  const token = kubectl(["create", "-n", NAMESPACE, "token", "auditship"]);
  config.users[0].user = { token };
  return JSON.stringify(config);
}

/** A chart's template with the values that KubeSphere installs, as far as they matter here. */
function rendered(template: string): string {
  const values: Record<string, string> = {
    "webhook.replicas": "2",
    "webhook.image.repository": "kubesphere/kube-auditing-webhook",
    "webhook.image.tag": "v0.2.0",
    "webhook.image.pullPolicy": "IfNotPresent",
    "webhook.imagePullSecrets": "[]",
    "webhook.args": '["--zap-log-level=info"]',
    "webhook.nodeSelector": "{}",
    "webhook.affinity": "{ nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } }",
    "webhook.tolerations": "[{ key: CriticalAddonsOnly, operator: Exists }]",
    "webhook.resources": "{ limits: { cpu: 200m, memory: 500Mi } }",
    "webhook.receivers":
      "[{ name: alert, type: alertmanager, config: { service: { namespace: kubesphere-monitoring-system, name: alertmanager-main, port: 9093 } } }]",
    "webhook.archivingPriority": "DEBUG",
    "webhook.alertingPriority": "WARNING",
    "webhook.auditLevel": "Metadata",
    "webhook.k8sAuditingEnabled": "false",
    "webhook.useHTTPS": "true",
    "webhook.port": "6443",
  };
  return template
    .replace(/^.*\{\{- (if|end).*\n/gm, "")
    .replace(/\{\{-? (?:toYaml )?\.Values\.([\w.]+).*?\}\}/g, (_, name) => {
      if (!(name in values)) throw new Error(`no value of ${name}`);
      return values[name];
    });
}
