/**
 * `npm run bench`: what it costs to read → match → redact → (gzip) → `_bulk`, beside the three floors of DESIGN §10 on the same
 * file to the same sink in the same run. Prints a table; `--json FILE` writes it as JSON; `--size MB` of each log (2048);
 * `--runs N` (1): the median counts; `--shapes`: the other shapes of Elasticsearch documents, too. Four minutes on two cores; start and warm-up are part of it, so that small logs look dear.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { events, type Mix } from "../src/simulate/index.js";
import { counted, startSink, stopSinks } from "./null-sinks.js";

const { values: options } = parseArgs({
  options: {
    size: { type: "string", default: "2048" },
    runs: { type: "string", default: "1" },
    json: { type: "string" },
    shapes: { type: "boolean", default: false },
  },
});
const HERE = import.meta.dirname;
const ROOT = join(HERE, "..");
const work = mkdtempSync(join(tmpdir(), "auditship-bench-"));

/** What one process used. */
interface Cost {
  /** Seconds of CPU, user and system. */
  cpu: number;
  /** Seconds from start to end. */
  wall: number;
  /** Most memory it held, bytes. */
  rss: number;
}

interface Row extends Cost {
  log: Mix;
  work: string;
}

interface Log {
  mix: Mix;
  path: string;
  bytes: number;
  events: number;
}

function writeLog(mix: Mix): Log {
  const path = join(work, `${mix}.log`);
  const file = openSync(path, "w");
  const wanted = Number(options.size) * 1024 * 1024;
  let bytes = 0;
  let count = 0;
  let lines: string[] = [];
  for (const line of events(1, { mix })) {
    lines.push(line);
    bytes += Buffer.byteLength(line) + 1;
    count++;
    if (lines.length === 1000 || bytes >= wanted) {
      writeSync(file, `${lines.join("\n")}\n`);
      lines = [];
    }
    if (bytes >= wanted) break;
  }
  closeSync(file);
  return { mix, path, bytes: statSync(path).size, events: count };
}

/** Runs a script of Node and says what it used. */
async function measure(script: string, args: string[]): Promise<Cost> {
  const usage = join(work, "usage.json");
  const started = performance.now();
  const child = spawn(process.execPath, ["--import", join(HERE, "usage.mjs"), script, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, BENCH_USAGE: usage },
  });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${script} ${args.join(" ")} ended with ${code}`);
  const { cpu, rss } = JSON.parse(readFileSync(usage, "utf8"));
  return { cpu, rss, wall: (performance.now() - started) / 1000 };
}

/** auditship over the whole log, from its start, with the rule pack and redaction. */
async function ship(log: Log, url: string, compression: "gzip" | "none", shape = "native"): Promise<Cost> {
  const state = mkdtempSync(join(work, "state-"));
  const config = join(state, "bench.yaml");
  writeFileSync(
    config,
    JSON.stringify({
      sources: { bench: { path: log.path } },
      state: join(state, "state"),
      cluster: "bench",
      node: "bench-1",
      rules: { paths: [join(ROOT, "config/rules")] },
      stages: ["parse", { workspace: { static: { shop: "retail" } } }, "match", "redact"],
      sinks: { archive: { type: "elasticsearch", urls: [url], compression, shape } },
      observe: { listen: "none", log: "error" },
    }),
  );
  const cost = await measure(join(ROOT, "dist/auditship.js"), ["run", "--once", "-c", config]);
  const { events: arrived } = await counted(url);
  if (arrived !== log.events) throw new Error(`${arrived} of ${log.events} events arrived`);
  return cost;
}

const median = (costs: Cost[], of: keyof Cost): number =>
  costs.map((cost) => cost[of]).sort((a, b) => a - b)[Math.floor(costs.length / 2)];

async function repeat(log: Log, work: string, run: () => Promise<Cost>): Promise<Row> {
  const costs: Cost[] = [];
  for (let i = 0; i < Number(options.runs); i++) {
    process.stderr.write(`${log.mix}: ${work} ${i + 1}/${options.runs}   \r`);
    costs.push(await run());
  }
  return { log: log.mix, work, cpu: median(costs, "cpu"), wall: median(costs, "wall"), rss: median(costs, "rss") };
}

async function benchLog(mix: Mix): Promise<{ log: Log; rows: Row[] }> {
  const log = writeLog(mix);
  const bodies = join(work, `${mix}.bodies`);
  const saving = await startSink(bodies);
  await ship(log, saving.url, "none");
  const { url } = await startSink();
  const floor =
    (name: string, file = log.path) =>
    async () => {
      const cost = await measure(join(HERE, "floors.mjs"), [name, file, ...(name === "gzip" ? [] : [url])]);
      await counted(url);
      return cost;
    };
  const rows = [
    await repeat(log, "floor: copy", floor("copy")),
    await repeat(log, "floor: gzip", floor("gzip", bodies)),
    await repeat(log, "floor: stringify", floor("stringify")),
    await repeat(log, "auditship", () => ship(log, url, "none")),
    await repeat(log, "auditship, gzip", () => ship(log, url, "gzip")),
  ];
  for (const shape of options.shapes ? ["kubesphere", "ecs"] : []) {
    rows.push(await repeat(log, shape, () => ship(log, url, "none", shape)));
  }
  return { log, rows };
}

function print({ log, rows }: { log: Log; rows: Row[] }): void {
  const gb = log.bytes / 1e9;
  const cpuOf = (work: string) => rows.find((row) => row.work === work)!.cpu;
  process.stdout.write(
    `\n${log.mix} log: ${(log.bytes / 1e6).toFixed(0)} MB, ${log.events} events of ${Math.round(log.bytes / log.events)} B\n`,
  );
  process.stdout.write("work              CPU-s/GB   × copy  × stringify   events/s     MB/s   peak RSS\n");
  for (const row of rows) {
    const cells = [
      row.work.padEnd(16),
      (row.cpu / gb).toFixed(2).padStart(9),
      (row.cpu / cpuOf("floor: copy")).toFixed(2).padStart(8),
      (row.cpu / cpuOf("floor: stringify")).toFixed(2).padStart(12),
      Math.round(log.events / row.wall)
        .toString()
        .padStart(10),
      (log.bytes / 1e6 / row.wall).toFixed(0).padStart(8),
      `${(row.rss / 1024 ** 2).toFixed(0)} MiB`.padStart(10),
    ];
    process.stdout.write(`${cells.join(" ")}\n`);
  }
}

try {
  const results = [];
  for (const mix of ["mixed", "metadata"] as const) {
    const result = await benchLog(mix);
    results.push(result);
    print(result);
  }
  if (options.json) writeFileSync(options.json, `${JSON.stringify(results, undefined, 2)}\n`);
} finally {
  stopSinks();
  rmSync(work, { recursive: true, force: true });
}
