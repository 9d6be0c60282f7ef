/**
 * `npm run bench:rules`: what `match` alone costs per event, beside JSON.parse of the same lines in the same run, with our
 * pack and with 50, 500 and 1,000 rules made in its manner, or with the rules at `--paths PATH` (several) alone. `--size MB` of each log (32); `--runs N` (5): the fastest counts.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import parseStage from "../plugins/stages/parse.js";
import { EventBatch } from "../src/event/index.js";
import type { RuleSet, StageHost } from "../src/plugin/index.js";
import { loadRules } from "../src/rules/index.js";
import type { Mix } from "../src/simulate/index.js";
import { CHUNK, type Log, makeLog } from "./log.js";

const { values: options } = parseArgs({
  options: {
    size: { type: "string", default: "32" },
    runs: { type: "string", default: "5" },
    mix: { type: "string", multiple: true, default: ["metadata", "mixed"] },
    rules: { type: "string", multiple: true, default: ["0", "50", "500", "1000"] },
    paths: { type: "string", multiple: true },
  },
});
const RUNS = Number(options.runs);
const PACK = join(import.meta.dirname, "../config/rules");
const FILE = { fingerprint: "00".repeat(32), id: "AAAAAAAAAAAAAAAA", ordinal: 1, time: 0 };

/** Our pack, and so many more rules that there are `count`; 0: the pack alone. */
async function makeRules(count: number): Promise<RuleSet> {
  const directory = mkdtempSync(join(tmpdir(), "auditship-rules-"));
  const load = () =>
    loadRules({
      paths: options.paths ?? [PACK, directory],
      archivingPriority: "DEBUG",
      alertingPriority: "WARNING",
      stages: ["ResponseStarted", "ResponseComplete", "Panic"],
    });
  const pack = await load();
  const rules = Array.from({ length: Math.max(0, count - pack.set.size) }, (_, index) => ({
    name: `bench-${index}`,
    type: "rule",
    desc: "Made by the bench.",
    condition: CONDITIONS[index % CONDITIONS.length](Math.floor(index / CONDITIONS.length)),
    enable: true,
    priority: "WARNING",
    output: "${User.username} ${Verb} ${ObjectRef.Resource} ${ObjectRef.Name}",
  }));
  const resource = {
    apiVersion: "auditing.kubesphere.io/v1alpha1",
    kind: "Rule",
    metadata: { name: "bench", labels: { type: "alerting" } },
    spec: { rules },
  };
  writeFileSync(join(directory, "bench.json"), JSON.stringify(resource));
  const loaded = count === 0 ? pack : await load();
  for (const { message } of loaded.refused) throw new Error(message);
  rmSync(directory, { recursive: true });
  return loaded.set;
}

const pick = (list: readonly string[], n: number): string => list[n % list.length];
const RESOURCES = ["pods", "secrets", "configmaps", "deployments", "services", "nodes", "roles", "leases", "endpoints"];
const VERBS = ["create", "update", "patch", "delete", "get", "list", "watch"];
const NAMESPACES = ["kube-system", "default", "shop", "monitoring", "team-a", "team-b", "payments"];

/** Conditions as people write them, one for each number; few events match. */
const CONDITIONS: readonly ((n: number) => string)[] = [
  (n) =>
    `ObjectRef.Resource = "${pick(RESOURCES, n)}" and Verb in ("${pick(VERBS, n)}", "${pick(VERBS, n + 2)}") and ` +
    `ObjectRef.Namespace = "${pick(NAMESPACES, n)}" and ObjectRef.Name = "target-${n}"`,
  (n) => `Verb = "${pick(VERBS, n)}" and User.username regex "^oidc:user-${n}[0-9]*@"`,
  (n) => `RequestURI regex "/proxy/.*secret-${n}" and Verb in ("get", "create")`,
  (n) => `ResponseStatus.code = ${500 + (n % 20)} and ObjectRef.Resource = "${pick(RESOURCES, n)}"`,
  (n) =>
    `Verb in ("create", "update", "patch") and ObjectRef.Resource = "${pick(["pods", "deployments"], n)}" and ` +
    `RequestObject.metadata.labels.owner = "team-${n}"`,
  (n) => `User.groups[*] = "contractors-${n}" and Verb in ("delete", "deletecollection")`,
  (n) => `UserAgent contains "scanner-${n}" and (not (SourceIPs[*] like "^10[.]"))`,
  (n) =>
    `ObjectRef.Namespace like "^tenant-${n}-" and ObjectRef.Resource in ("${pick(RESOURCES, n)}", "${pick(RESOURCES, n + 3)}") ` +
    `and ObjectRef.Subresource = "${pick(["", "exec", "status"], n)}"`,
  (n) => `ObjectRef.Resource = "secrets" and ObjectRef.Name contains "vault-${n}" and (not (Verb = "watch"))`,
  (n) => `RequestURI contains "/tenants/t-${n}/" and ResponseStatus.code >= 400`,
];

/** Nanoseconds that `work` takes on a log, the fastest of all runs. */
function fastest(work: () => bigint): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) best = Math.min(best, Number(work()));
  return best;
}

function parse({ lines }: Log): bigint {
  const start = process.hrtime.bigint();
  for (const line of lines) JSON.parse(line.toString());
  return process.hrtime.bigint() - start;
}

const times = await parseStage.create({}, {} as StageHost);
let matches = 0;

/** Only the time in `evaluate`: each batch is scanned and its times are read just before, as in the agent. */
function match({ chunks }: Log, set: RuleSet): bigint {
  const batch = new EventBatch({ capacity: 2 * CHUNK, documents: { cluster: "", node: "", labels: {} } });
  let spent = 0n;
  matches = 0;
  for (const bytes of chunks) {
    // A line that is larger than the buffer stays where it is.
    if (bytes.length <= batch.buffer.length) bytes.copy(batch.buffer);
    const own = bytes.length <= batch.buffer.length ? batch.buffer : bytes;
    batch.load({ bytes: own, length: bytes.length, file: FILE, offset: 0 }, "bench");
    times.run(batch);
    const start = process.hrtime.bigint();
    set.evaluate(batch);
    spent += process.hrtime.bigint() - start;
    for (let row = 0; row < batch.count; row++) matches += batch.matches(row).length;
  }
  return spent;
}

function print(work: string, { lines, bytes }: Log, ns: number, more = ""): void {
  const perEvent = Math.round(ns / lines.length);
  const rate = Math.round(bytes / 1e6 / (ns / 1e9));
  process.stdout.write(
    `${work.padEnd(28)} ${String(perEvent).padStart(7)} ns/event ${String(rate).padStart(7)} MB/s ${more}\n`,
  );
}

for (const mix of options.mix) {
  const log = makeLog(mix as Mix, Number(options.size) * 1024 * 1024);
  process.stdout.write(`${mix}: ${log.lines.length} events, ${Math.round(log.bytes / log.lines.length)} bytes each\n`);
  if (RUNS < 100)
    print(
      "JSON.parse",
      log,
      fastest(() => parse(log)),
    );
  for (const count of options.paths ? [0] : options.rules.map(Number)) {
    const set = await makeRules(count);
    const ns = fastest(() => match(log, set));
    print(`match, ${set.size} rules`, log, ns, `${(matches / log.lines.length).toFixed(3)} matches/event`);
  }
}
