/**
 * `npm run bench:shipping`: what it costs to read → match → redact → (gzip) → `_bulk`, beside the three floors on
 * the same file to the same sink in the same run, and how quickly a backlog is read. `--size MB` of each log (2048);
 * `--runs N` (1): the median counts; `--shapes`: the other shapes of Elasticsearch documents, too. Start and warm-up are part of
 * it, so that small logs look dear.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Mix } from "../src/simulate/index.js";
import { startSink, stopSinks } from "./null-sinks.js";
import { type Result, report } from "./results.js";
import { type Cost, floor, type LogFile, median, ship, writeLog } from "./ship.js";

const { values: options } = parseArgs({
  options: {
    size: { type: "string", default: "2048" },
    runs: { type: "string", default: "1" },
    shapes: { type: "boolean", default: false },
    results: { type: "string" },
  },
});
/** Most that shipping may cost, × the copy floor. */
const GOALS: Record<Mix, number> = { metadata: 2.5, mixed: 2 };
/** Most that compression may cost, × the gzip floor. */
const GZIP_GOAL = 1.1;
/** Least that a backlog's MB/s may be, × the copy floor's. */
const CATCH_UP_GOAL = 0.5;

interface Row extends Cost {
  work: string;
}

async function repeat(mix: Mix, work: string, run: () => Promise<Cost>): Promise<Row> {
  const costs: Cost[] = [];
  for (let i = 0; i < Number(options.runs); i++) {
    process.stderr.write(`${mix}: ${work} ${i + 1}/${options.runs}   \r`);
    costs.push(await run());
  }
  const of = (key: keyof Cost) => median(costs.map((cost) => cost[key]));
  return { work, cpu: of("cpu"), wall: of("wall"), rss: of("rss") };
}

async function measureAll(log: LogFile, directory: string): Promise<Row[]> {
  const { mix, path } = log;
  const bodies = join(directory, `${mix}.bodies`);
  const saving = await startSink(bodies);
  await ship(log, { directory, url: saving.url });
  const { url } = await startSink();
  const to = { directory, url };
  const rows = [
    await repeat(mix, "floor: copy", () => floor("copy", path, to)),
    await repeat(mix, "floor: gzip", () => floor("gzip", bodies, to)),
    await repeat(mix, "floor: stringify", () => floor("stringify", path, to)),
    await repeat(mix, "auditship", () => ship(log, to)),
    await repeat(mix, "auditship, gzip", () => ship(log, { ...to, compression: "gzip" })),
  ];
  for (const shape of options.shapes ? ["kubesphere", "ecs"] : []) {
    rows.push(await repeat(mix, shape, () => ship(log, { ...to, shape })));
  }
  rmSync(path);
  rmSync(bodies);
  return rows;
}

function resultsOf({ mix, bytes }: LogFile, rows: Row[]): Result[] {
  const cpu = (work: string) => rows.find((row) => row.work === work)!.cpu / (bytes / 1e9);
  const rate = (work: string) => bytes / 1e6 / rows.find((row) => row.work === work)!.wall;
  const [unit, goal] = ["CPU-s/GB", GOALS[mix]];
  const withGzip = goal * cpu("floor: copy") + GZIP_GOAL * cpu("floor: gzip");
  const results: Result[] = [
    { work: `${mix} log, × copy`, unit, ours: cpu("auditship"), floor: cpu("floor: copy"), goal: { most: goal } },
    {
      work: `${mix} log with gzip, × (${goal} copy + ${GZIP_GOAL} gzip)`,
      unit,
      ours: cpu("auditship, gzip"),
      floor: withGzip,
      goal: { most: 1 },
    },
  ];
  if (mix === "metadata") return results;
  const catchUp = { ours: rate("auditship"), floor: rate("floor: copy"), goal: { least: CATCH_UP_GOAL } };
  return [...results, { work: `catch-up of ${(bytes / 1e9).toFixed(1)} GB, × copy`, unit: "MB/s", ...catchUp }];
}

function print({ mix, bytes, events }: LogFile, rows: Row[]): void {
  const gb = bytes / 1e9;
  const cpuOf = (work: string) => rows.find((row) => row.work === work)!.cpu;
  process.stdout.write(
    `\n${mix} log: ${(bytes / 1e6).toFixed(0)} MB, ${events} events of ${Math.round(bytes / events)} B\n`,
  );
  process.stdout.write("work              CPU-s/GB   × copy  × stringify   events/s     MB/s   peak RSS\n");
  for (const row of rows) {
    const cells = [
      row.work.padEnd(16),
      (row.cpu / gb).toFixed(2).padStart(9),
      (row.cpu / cpuOf("floor: copy")).toFixed(2).padStart(8),
      (row.cpu / cpuOf("floor: stringify")).toFixed(2).padStart(12),
      (events / row.wall).toFixed(0).padStart(10),
      (bytes / 1e6 / row.wall).toFixed(0).padStart(8),
      `${(row.rss / 1024 ** 2).toFixed(0)} MiB`.padStart(10),
    ];
    process.stdout.write(`${cells.join(" ")}\n`);
  }
}

const directory = mkdtempSync(join(tmpdir(), "auditship-bench-"));
try {
  const results: Result[] = [];
  for (const mix of ["metadata", "mixed"] as const) {
    const log = writeLog(directory, mix, Number(options.size) * 1024 * 1024);
    const rows = await measureAll(log, directory);
    print(log, rows);
    results.push(...resultsOf(log, rows));
  }
  process.stdout.write("\n");
  report(results, options.results);
} finally {
  stopSinks();
  rmSync(directory, { recursive: true, force: true });
}
