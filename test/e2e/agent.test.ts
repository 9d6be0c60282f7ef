import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { copyLog, type Line, readLines } from "./audit-files.js";
import { Agent, auditship } from "./program.js";
import { ELASTICSEARCH } from "./search-server.js";

/** Of a real kube-apiserver, the directory of its audit log, and a program that makes many varied requests to it. */
const KUBECONFIG = process.env.AUDITSHIP_TEST_KUBECONFIG;
const AUDIT_DIRECTORY = process.env.AUDITSHIP_TEST_AUDIT_DIR;
const KUBE_LOAD = process.env.AUDITSHIP_TEST_KUBE_LOAD;
/** Address of a real Alertmanager. */
const ALERTMANAGER = process.env.AUDITSHIP_TEST_ALERTMANAGER;

const RULES = fileURLToPath(new URL("../../config/rules", import.meta.url));
const WORKSPACES: Record<string, string> = { "load-a": "dev", "load-prod": "prod" };
const LOAD_SECONDS = 15;
/** The agent is killed so often, each time after it has stored this many events. */
const KILLS = 2;
const BETWEEN_KILLS = 2500;

interface Event {
  auditID: string;
  stage: string;
  stageTimestamp: string;
  requestReceivedTimestamp: string;
  verb: string;
  requestURI: string;
  user: { username?: string };
  objectRef?: { resource?: string; subresource?: string; namespace?: string };
}

interface Hit {
  _id: string;
  _source: Event & { auditship: { offset: number } };
}

describe.skipIf(!KUBECONFIG || !AUDIT_DIRECTORY || !KUBE_LOAD || !ELASTICSEARCH.url || !ALERTMANAGER)(
  "an agent that is killed twice while a real kube-apiserver writes and rotates its log",
  () => {
    const cluster = `e2e-${process.pid}-${Date.now()}`;
    let directory: string;
    let canaries: string;
    let agent: Agent | undefined;
    /** What the log held when the load had ended, and when the agent had stopped. */
    let due: Line[];
    let written: Line[];
    let files: string[];

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), "auditship-e2e-"));
      canaries = join(directory, "canaries.txt");
      const config = join(directory, "auditship.yaml");
      writeFileSync(config, JSON.stringify(configuration(cluster)));
      await auditship("setup", "-c", config);
      agent = new Agent(config);
      const load = makeRequests(canaries);
      for (let kill = 0; kill < KILLS; kill++) {
        await stored(cluster, (await ELASTICSEARCH.countDocuments(cluster)) + BETWEEN_KILLS);
        await agent.stop("SIGKILL");
        agent = new Agent(config);
      }
      await load;
      due = copy("due").flatMap(readLines);
      await stored(cluster, due.length);
      expect(await agent.stop("SIGTERM"), agent.log).toBe(0);
      files = copy("written");
      written = files.flatMap(readLines);
    });

    afterAll(async () => {
      await agent?.stop("SIGKILL");
      rmSync(directory, { recursive: true });
    });

    function copy(name: string): string[] {
      mkdirSync(join(directory, name));
      return copyLog(AUDIT_DIRECTORY!, join(directory, name));
    }

    it("stores every line of the audit files exactly once", async () => {
      const shipped: string[] = [];
      for await (const page of ELASTICSEARCH.pages(cluster)) {
        for (const { _source } of hitsOf(page)) shipped.push(nameOf(_source, _source.auditship.offset));
      }
      const lines = new Set(written.map(nameOfLine));
      expect(lines.size).toBe(written.length);
      expect(files.length).toBeGreaterThan(5);
      // kube-apiserver writes on between the end of the load and the agent's: that may be there, and need not.
      const distinct = new Set(shipped);
      expect(shipped.length - distinct.size, "stored twice").toBe(0);
      expect(some(shipped.filter((name) => !lines.has(name))), "not in the files").toEqual([]);
      expect(some(due.map(nameOfLine).filter((name) => !distinct.has(name))), "not stored").toEqual([]);
    });

    it("raises the alerts that the rules make of it, each with its number of requests", async () => {
      const expected = await expectedAlerts(files, written);
      const rules = new Set(expected.map(({ alertname }) => alertname));
      const caused = [
        "ExecOrAttach",
        "SecretRead",
        "SecretList",
        "ClusterAdminBinding",
        "DeniedRequest",
        "TokenRequest",
      ];
      expect(caused.filter((rule) => !rules.has(rule))).toEqual([]);
      expect(await shownAlerts(cluster)).toEqual(expected);
    });

    it("lets no planted secret out, in plain or in base64", async () => {
      const forms = secretForms(readFileSync(canaries, "utf8").trim().split("\n"));
      expect(forms.filter((form) => written.some(({ text }) => text.includes(form))).length).toBeGreaterThan(2);
      const found: string[] = [];
      for await (const page of ELASTICSEARCH.pages(cluster)) {
        if (!forms.some((form) => page.includes(form))) continue;
        const leaky = hitsOf(page).filter((hit) => forms.some((form) => JSON.stringify(hit).includes(form)));
        found.push(...leaky.map(({ _source }) => `${_source.verb} ${_source.requestURI.split("?")[0]}`));
      }
      expect(some(found)).toEqual([]);
    });

    it("raises no alert with a planted secret in it", async () => {
      const forms = secretForms(readFileSync(canaries, "utf8").trim().split("\n"));
      const text = await (await fetch(`${ALERTMANAGER}/api/v2/alerts`)).text();
      expect(forms.filter((form) => text.includes(form))).toEqual([]);
    });
  },
);

function configuration(cluster: string): object {
  return {
    sources: { apiserver: { path: join(AUDIT_DIRECTORY!, "audit.log") } },
    state: "state",
    cluster,
    rules: { paths: [RULES] },
    stages: ["parse", { workspace: { static: WORKSPACES } }, "match", { redact: { configMaps: true } }],
    sinks: {
      archive: { type: "elasticsearch", ...ELASTICSEARCH.sinkOptions(), index: cluster },
      pager: { type: "alertmanager", urls: [ALERTMANAGER], startAt: "beginning", maxAge: "7d" },
    },
    observe: { listen: "127.0.0.1:0" },
  };
}

/** Resolves when they are made. */
async function makeRequests(canaries: string): Promise<void> {
  const args = ["--seconds", String(LOAD_SECONDS), "--mix", "varied", "--canaries", canaries];
  await promisify(execFile)(KUBE_LOAD!, args, { env: { ...process.env, KUBECONFIG }, timeout: 120_000 });
}

/** Resolves when so many events are stored. */
async function stored(index: string, count: number): Promise<void> {
  const enough = async () => expect(await ELASTICSEARCH.countDocuments(index)).toBeGreaterThanOrEqual(count);
  await vi.waitFor(enough, { timeout: 120_000, interval: 100 });
}

/** Enough to see what is wrong. */
const some = (names: string[]): string[] => names.slice(0, 10);

const hitsOf = (page: string): Hit[] => (JSON.parse(page) as { hits: { hits: Hit[] } }).hits.hits;

/** What tells a line of the log from all others. */
const nameOf = ({ auditID, stage, stageTimestamp }: Event, offset: number): string =>
  `${auditID} ${stage} ${stageTimestamp} at ${offset}`;
const nameOfLine = ({ offset, text }: Line): string => nameOf(JSON.parse(text), offset);

type Labels = Record<string, string>;
const COMPARED = ["alertname", "priority", "user", "verb", "resource", "subresource", "namespace", "workspace"];

/** The labels of an alert that say what is equal, and its number of requests. */
const alertOf = (labels: Labels, count: string): Labels => ({
  ...Object.fromEntries(COMPARED.filter((name) => labels[name]).map((name) => [name, labels[name]])),
  count,
});
const sorted = (alerts: Labels[]): Labels[] => alerts.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

/** What `match` finds in the files, as alerts: equal labels are one, and a request counts once whatever its stages. */
async function expectedAlerts(files: string[], lines: Line[]): Promise<Labels[]> {
  const requests = new Map<string, Set<string>>();
  for (const line of (await auditship("match", "--rules", RULES, ...files)).trim().split("\n")) {
    const { n, rule, priority, actions } = JSON.parse(line);
    const event = JSON.parse(lines[n - 1].text) as Event;
    if (!actions.includes("alerting") || event.stage === "RequestReceived") continue;
    const { resource = "", subresource = "", namespace = "" } = event.objectRef ?? {};
    const { verb, user } = event;
    const known = { verb, user: user.username ?? "", workspace: WORKSPACES[namespace] ?? "" };
    const key = JSON.stringify(alertOf({ alertname: rule, priority, resource, subresource, namespace, ...known }, ""));
    const request = [event.auditID, event.requestReceivedTimestamp, user.username, verb, event.requestURI];
    requests.set(key, (requests.get(key) ?? new Set()).add(JSON.stringify(request)));
  }
  return sorted([...requests].map(([key, { size }]) => alertOf(JSON.parse(key), String(size))));
}

/** What Alertmanager shows of this run. */
async function shownAlerts(cluster: string): Promise<Labels[]> {
  const answer = await fetch(`${ALERTMANAGER}/api/v2/alerts?filter=${encodeURIComponent(`cluster="${cluster}"`)}`);
  const shown = (await answer.json()) as { labels: Labels; annotations: Labels }[];
  return sorted(shown.map(({ labels, annotations }) => alertOf(labels, annotations.count)));
}

/**
 * How planted secrets may stand in a text: as they are, and in base64 at each of the three places in a group of three bytes,
 * without what depends on their neighbours. They begin alike: CANARY-<run>, and the header of tokens by one key.
 */
function secretForms(secrets: string[]): string[] {
  const beginnings = secrets.map((secret) => /^CANARY-[0-9a-f]+-|^eyJ[^.]+/.exec(secret)?.[0] ?? secret);
  return [...new Set(beginnings)].flatMap((secret) => [secret, ...[0, 1, 2].map((lead) => base64At(lead, secret))]);
}

function base64At(lead: number, text: string): string {
  const encoded = Buffer.from("\0".repeat(lead) + text).toString("base64");
  return encoded.slice(Math.ceil((lead * 8) / 6), Math.floor(((lead + Buffer.byteLength(text)) * 8) / 6));
}
