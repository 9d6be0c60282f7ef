/**
 * `npm run bench:rules`: what `match` alone costs per event, beside JSON.parse of the same lines in the same run, with our
 * pack and with 50, 500 and 1,000 rules of three ecosystems (`--rules N`, several), or with the rules at `--paths PATH` (several)
 * alone. `--size MB` of each log (32), or `--log FILE` (several), gzipped or not; `--runs N` (20): the fastest counts.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import parseStage from "../plugins/stages/parse.js";
import { EventBatch } from "../src/event/index.js";
import type { RuleSet, StageHost } from "../src/plugin/index.js";
import { loadRules } from "../src/rules/index.js";
import type { Mix } from "../src/simulate/index.js";
import { CHUNK, type Log, makeLog, readLog } from "./log.js";
import { type Result, report } from "./results.js";
import { writeRules } from "./rule-files.js";

const { values: options } = parseArgs({
  options: {
    size: { type: "string", default: "32" },
    runs: { type: "string", default: "20" },
    mix: { type: "string", multiple: true, default: ["metadata", "mixed"] },
    rules: { type: "string", multiple: true, default: ["0", "50", "500", "1000"] },
    paths: { type: "string", multiple: true },
    log: { type: "string", multiple: true },
    results: { type: "string" },
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
  writeRules(directory, Math.max(0, count - pack.set.size));
  const loaded = count === 0 ? pack : await load();
  for (const { message } of loaded.refused) throw new Error(message);
  rmSync(directory, { recursive: true });
  return loaded.set;
}

/** Nanoseconds that each work takes on a log, the fastest of all runs; in turns, so that what else the machine does meets all. */
function fastest(works: readonly (() => bigint)[]): number[] {
  const best = works.map(() => Number.POSITIVE_INFINITY);
  for (let run = 0; run < RUNS; run++) {
    for (const [index, work] of works.entries()) best[index] = Math.min(best[index], Number(work()));
  }
  return best;
}

function parse({ lines }: Log): bigint {
  const start = process.hrtime.bigint();
  for (const line of lines) JSON.parse(line.toString());
  return process.hrtime.bigint() - start;
}

const times = await parseStage.create({}, {} as StageHost);
let matches = 0;

/** For all batches of a set: as in the agent, kinds of events keep their numbers from one to the next. */
const makeBatch = () => new EventBatch({ capacity: 2 * CHUNK, documents: { cluster: "", node: "", labels: {} } });

/** Only the time in `evaluate`: each batch is scanned and its times are read just before, as in the agent. */
function match({ chunks }: Log, set: RuleSet, batch: EventBatch): bigint {
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

/** Most that 500 rules may cost, × 50. */
const GOAL = 1.3;
const results: Result[] = [];

const logs = options.log
  ? options.log.map(readLog)
  : options.mix.map((mix) => makeLog(mix as Mix, Number(options.size) * 1024 * 1024));
for (const log of logs) {
  process.stdout.write(
    `${log.name}: ${log.lines.length} events, ${Math.round(log.bytes / log.lines.length)} bytes each\n`,
  );
  const sets: RuleSet[] = [];
  for (const count of options.paths ? [0] : options.rules.map(Number)) sets.push(await makeRules(count));
  const found = new Map<RuleSet, number>();
  const [parsing, ...matching] = fastest([
    () => parse(log),
    ...sets.map((set) => {
      const batch = makeBatch();
      return () => {
        const ns = match(log, set, batch);
        found.set(set, matches);
        return ns;
      };
    }),
  ]);
  print("JSON.parse", log, parsing);
  for (const [index, set] of sets.entries()) {
    const more = `${(found.get(set)! / log.lines.length).toFixed(3)} matches/event`;
    print(`match, ${set.size} rules`, log, matching[index], more);
  }
  const cost = (count: number): number | undefined => {
    const index = sets.findIndex(({ size }) => size === count);
    return index < 0 ? undefined : matching[index] / log.lines.length;
  };
  const [few, many] = [cost(50), cost(500)];
  if (few === undefined || many === undefined) continue;
  results.push({
    work: `500 rules, ${log.name} log, × 50 rules`,
    unit: "ns/event",
    ours: many,
    floor: few,
    goal: { most: GOAL },
  });
}
if (results.length > 0) report(results, options.results);
