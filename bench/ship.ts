/** What shipping a log costs, and what the floors (bench/README.md) cost on the same log. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { events, type Mix } from "../src/simulate/index.js";
import { counted } from "./null-sinks.js";

const HERE = import.meta.dirname;
const ROOT = join(HERE, "..");

/** What one process used. */
export interface Cost {
  /** Seconds of CPU, user and system. */
  cpu: number;
  /** Seconds from start to end. */
  wall: number;
  /** Most memory it held, bytes. */
  rss: number;
}

/** A log in a file. */
export interface LogFile {
  mix: Mix;
  path: string;
  bytes: number;
  events: number;
}

/** Writes a log of `wanted` bytes, about, into a directory: the same one each time. */
export function writeLog(directory: string, mix: Mix, wanted: number): LogFile {
  const path = join(directory, `${mix}.log`);
  const file = openSync(path, "w");
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
async function measure(directory: string, script: string, args: string[]): Promise<Cost> {
  const usage = join(directory, "usage.json");
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

interface ShipOptions {
  /** Where it may write. */
  directory: string;
  url: string;
  compression?: "gzip" | "none";
  shape?: string;
}

/** auditship over the whole log, from its start, with the rule pack and redaction. */
export async function ship(log: LogFile, { directory, url, compression = "none", shape }: ShipOptions): Promise<Cost> {
  const own = mkdtempSync(join(directory, "ship-"));
  const config = join(own, "bench.yaml");
  writeFileSync(config, JSON.stringify(configOf(log.path, join(own, "state"), { url, compression, shape })));
  const cost = await measure(directory, join(ROOT, "dist/auditship.js"), ["run", "--once", "-c", config]);
  const { events: arrived } = await counted(url);
  if (arrived !== log.events) throw new Error(`${arrived} of ${log.events} events arrived`);
  return cost;
}

/** A configuration of the program as the goals have it: the rule pack, redaction, one Elasticsearch. */
export function configOf(
  path: string,
  state: string,
  { url, compression = "none", shape = "native" }: Omit<ShipOptions, "directory">,
) {
  return {
    sources: { bench: { path } },
    state,
    cluster: "bench",
    node: "bench-1",
    rules: { paths: [join(ROOT, "config/rules")] },
    stages: ["parse", { workspace: { static: { shop: "retail" } } }, "match", "redact"],
    sinks: { archive: { type: "elasticsearch", urls: [url], compression, shape } },
    observe: { listen: "none", log: "error" },
  };
}

/** One of floors.mjs over a file, `gzip` over the bodies of our requests. */
export async function floor(
  name: "copy" | "gzip" | "stringify",
  file: string,
  { directory, url }: ShipOptions,
): Promise<Cost> {
  const cost = await measure(directory, join(HERE, "floors.mjs"), [name, file, ...(name === "gzip" ? [] : [url])]);
  await counted(url);
  return cost;
}

/** What is in the middle. */
export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
