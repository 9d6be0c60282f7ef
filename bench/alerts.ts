/**
 * `npm run bench:alerts`: how long it takes from an audit event's write(2) to its alert at Alertmanager, with the
 * agent as users run it: the rule pack, redaction, and an archive of everything beside. A writer with lumberjack's system calls
 * writes 1,000 events/s of the mixed log in a process of its own and rotates every 20 MB; this process is Alertmanager. In each phase some
 * events begin an alert of their own; what the last one measures is those, in a storm of matches that are one alert.
 * `--seconds N` of each phase (20), `--rate N` events per second (1000).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { events } from "../src/simulate/index.js";
import { Lumberjack } from "../test/support/lumberjack.js";
import { startAgent } from "./agent.js";
import { type Result, report } from "./results.js";
import { atRate } from "./writer.js";

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "20" },
    rate: { type: "string", default: "1000" },
    phase: { type: "string" },
    results: { type: "string" },
    writer: { type: "string" },
    path: { type: "string", default: "" },
  },
});
const SECONDS = Number(options.seconds);
const RATE = Number(options.rate);
const ROOT = join(import.meta.dirname, "..");
/** Milliseconds. */
const GOALS = { p50: 60, p99: 250 };

interface Phase {
  name: string;
  /** Every so manieth event begins an alert of its own. */
  every: number;
  /** All others match, too, and are one alert. */
  storm: boolean;
}

const PHASES: Phase[] = [
  { name: "one new alert a second", every: RATE, storm: false },
  { name: "ten new alerts a second", every: RATE / 10, storm: false },
  { name: "fifty", every: RATE / 50, storm: false },
  { name: "ten, in a storm of all others", every: RATE / 10, storm: true },
];

const RULES = `apiVersion: auditing.kubesphere.io/v1alpha1
kind: Rule
metadata: { name: bench, labels: { type: alerting } }
spec:
  rules:
  - { name: Bench, type: rule, enable: true, priority: WARNING, condition: 'ObjectRef.Resource = "benchmarks"', output: "\${User.username}" }
`;

/** Microseconds since the epoch, for processes of one machine. */
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

/** An event that the rule matches; its auditID is the time of its write. */
function benchLine(user: string): string {
  const time = new Date().toISOString();
  return JSON.stringify({
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: "Metadata",
    auditID: String(now()),
    stage: "ResponseComplete",
    requestURI: `/apis/example.com/v1/namespaces/bench/benchmarks/${user}`,
    verb: "update",
    user: { username: user, groups: ["system:authenticated"] },
    sourceIPs: ["203.0.113.7"],
    userAgent: "bench/1",
    objectRef: { resource: "benchmarks", namespace: "bench", name: user, apiGroup: "example.com", apiVersion: "v1" },
    responseStatus: { code: 200 },
    requestReceivedTimestamp: time,
    stageTimestamp: time,
    annotations: { "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "" },
  });
}

/** Writes lines at the rate, one write(2) each. */
async function write({ name, every, storm }: Phase, path: string): Promise<void> {
  const log = new Lumberjack(path, { maxSize: 20e6 });
  const others = events(1, { mix: "mixed", clock: Date.now });
  await atRate(RATE, SECONDS, (n) => {
    const line = n % every === 0 ? benchLine(`${name} ${n}`) : storm ? benchLine("storm") : others.next().value;
    log.write(`${line}\n`);
  });
  log.close();
}

/** Alertmanager's side: notes when each alert came first. */
class Receiver {
  /** Milliseconds from write to receipt, of alerts that a user of their own has. */
  latencies: number[] = [];
  readonly #seen = new Set<string>();
  readonly server = createServer(async (request, response) => {
    const received = now();
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    response.end("{}");
    if (request.method === "POST") this.#take(JSON.parse(Buffer.concat(parts).toString()), received);
  });

  #take(alerts: { labels: Record<string, string>; annotations: Record<string, string> }[], received: number): void {
    for (const { labels, annotations } of alerts) {
      if (labels.alertname !== "Bench" || labels.user === "storm" || this.#seen.has(labels.user)) continue;
      this.#seen.add(labels.user);
      this.latencies.push((received - Number(annotations.firstAuditID)) / 1000);
    }
  }
}

function start(directory: string, url: string): Promise<ChildProcess> {
  fs.writeFileSync(join(directory, "rules.yaml"), RULES);
  fs.writeFileSync(join(directory, "log", "audit.log"), "");
  const config = {
    sources: { bench: { path: "log/audit.log" } },
    state: "state",
    rules: { paths: ["rules.yaml", join(ROOT, "config/rules")] },
    sinks: {
      pager: { type: "alertmanager", urls: [url], startAt: "beginning", maxAlerts: 40_000 },
      archive: { type: "file", path: "archive.ndjson" },
    },
    observe: { listen: "none", log: "info" },
  };
  return startAgent(directory, config);
}

async function measure(): Promise<void> {
  const directory = fs.mkdtempSync(join(tmpdir(), "auditship-bench-alerts-"));
  fs.mkdirSync(join(directory, "log"));
  const receiver = new Receiver();
  receiver.server.listen(0, "127.0.0.1");
  await once(receiver.server, "listening");
  const { port } = receiver.server.address() as AddressInfo;
  const agent = await start(directory, `http://127.0.0.1:${port}`);
  const rows: object[] = [];
  const results: Result[] = [];
  try {
    for (const [index, phase] of PHASES.entries()) {
      if (options.phase !== undefined && Number(options.phase) !== index) continue;
      receiver.latencies = [];
      await phaseOf(index, join(directory, "log", "audit.log"));
      await sleep(1000);
      const sorted = receiver.latencies.sort((a, b) => a - b);
      const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
      const due = Math.ceil((SECONDS * RATE) / phase.every);
      rows.push({
        "new alerts among the events": phase.name,
        "events/s": RATE,
        alerts: `${sorted.length} of ${due}`,
        "p50 ms": at(0.5).toFixed(1),
        "p99 ms": at(0.99).toFixed(1),
        "longest ms": at(1).toFixed(1),
      });
      const work = `line to alert, ${RATE} events/s, ${phase.name}`;
      results.push({ work: `${work}: p50`, unit: "ms", ours: at(0.5), goal: { most: GOALS.p50 } });
      results.push({ work: `${work}: p99`, unit: "ms", ours: at(0.99), goal: { most: GOALS.p99 } });
    }
  } finally {
    agent.kill();
    await once(agent, "exit");
    receiver.server.close();
    fs.rmSync(directory, { recursive: true });
  }
  console.table(rows);
  report(results, options.results);
}

async function phaseOf(index: number, path: string): Promise<void> {
  const own = ["--writer", String(index), "--path", path, "--seconds", options.seconds, "--rate", options.rate];
  const writer = spawn(process.execPath, ["--import", "tsx", import.meta.filename, ...own], { stdio: "inherit" });
  await once(writer, "exit");
}

if (options.writer) await write(PHASES[Number(options.writer)], options.path);
else await measure();
