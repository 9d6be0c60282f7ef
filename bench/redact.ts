/**
 * `npm run bench:redact`: CPU seconds per GB that scanning takes and that `redact` adds to it, on the metadata log, on a log where
 * every event has bodies, and on the files that are named. `--only metadata` runs one of them. `--size MB` of each log (32); `--runs N` (5): the lowest counts.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { z } from "zod";
import redact from "../plugins/stages/redact.js";
import { EventBatch, openTape } from "../src/event/index.js";
import type { Stage, StageHost } from "../src/plugin/index.js";
import { events } from "../src/simulate/index.js";

const { values: options, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: "string", default: "32" },
    runs: { type: "string", default: "5" },
    profile: { type: "string", default: "default" },
    "config-maps": { type: "boolean", default: false },
    only: { type: "string" },
  },
});
const FILE = { fingerprint: "00".repeat(32), id: "AAAAAAAAAAAAAAAA", ordinal: 1, time: 0 };
const CHUNK = 512 * 1024;
const MAX_BYTES = Number(options.size) * 1024 * 1024;

interface Log {
  name: string;
  chunks: Buffer[];
  bytes: number;
}

/** Whole lines in chunks, as a lane reads them. */
function chunked(name: string, lines: Iterable<string>): Log {
  const log: Log = { name, chunks: [], bytes: 0 };
  let chunk: Buffer[] = [];
  let size = 0;
  for (const text of lines) {
    const line = Buffer.from(`${text}\n`);
    chunk.push(line);
    size += line.length;
    log.bytes += line.length;
    if (size >= CHUNK) {
      log.chunks.push(Buffer.concat(chunk));
      chunk = [];
      size = 0;
    }
    if (log.bytes >= MAX_BYTES) break;
  }
  log.chunks.push(Buffer.concat(chunk));
  return log;
}

function* withBodies(): Generator<string> {
  for (const line of events(1, { mix: "mixed" })) if (line.includes('Object":{')) yield line;
}

function linesOf(file: string): string[] {
  const bytes = readFileSync(file);
  return (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString().trimEnd().split("\n");
}

function makeStage(): Stage {
  const host = { meter: { add() {} }, log: { warn() {} }, openTape, now: Date.now, stateDirectory: () => "" };
  const configuration = {
    profile: options.profile,
    configMaps: options["config-maps"],
    hash: { keyFile: import.meta.filename },
  };
  const made = redact.create(redact.options(z).parse(configuration), {
    ...host,
    resolve: () => new URL(import.meta.url).pathname,
  } as unknown as StageHost);
  return made as Stage;
}

const batch = new EventBatch({ capacity: 2 * CHUNK, documents: { cluster: "", node: "", labels: {} } });

/** CPU seconds per GB of a run over a log. */
function cost({ chunks, bytes }: Log, stage: Stage | undefined): number {
  const start = process.cpuUsage();
  for (const chunk of chunks) {
    if (chunk.length <= batch.buffer.length) chunk.copy(batch.buffer);
    const own = chunk.length <= batch.buffer.length ? batch.buffer : chunk;
    batch.load({ bytes: own, length: chunk.length, file: FILE, offset: 0 }, "bench");
    stage?.run(batch);
  }
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6 / (bytes / 1e9);
}

const logs = [
  chunked("metadata", events(1, { mix: "metadata" })),
  chunked("all bodies", withBodies()),
  ...files.map((file) => chunked(file, linesOf(file))),
];
for (const log of logs.filter(({ name }) => options.only === undefined || name === options.only)) {
  const stage = makeStage();
  let [scan, both] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let run = 0; run < Number(options.runs); run++) {
    scan = Math.min(scan, cost(log, undefined));
    both = Math.min(both, cost(log, stage));
  }
  process.stdout.write(
    `${log.name}: scan ${scan.toFixed(2)}, redact adds ${(both - scan).toFixed(2)} CPU-s/GB (${(log.bytes / 1e6).toFixed(0)} MB)\n`,
  );
}
