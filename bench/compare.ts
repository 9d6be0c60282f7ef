/**
 * `npm run bench:compare`: any other shipper whose binary is given reads the same log to the same sink as auditship, raw lines, no
 * compression: `--rsyslog /usr/sbin/rsyslogd`, or BENCH_RSYSLOG; likewise filebeat, otelcol, fluentbit, syslogng. Prints
 * CPU-s/GB, peak RSS and how many events arrived. `--size MB` (512), `--mix mixed|metadata`, `--timeout SECONDS` (120).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Mix } from "../src/simulate/index.js";
import { counted, countNow, startSink, stopSinks } from "./null-sinks.js";
import { PEERS, type Peer } from "./peers.js";
import { cpuOf, peakOf } from "./process.js";
import { floor, type LogFile, ship, writeLog } from "./ship.js";

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "512" },
    mix: { type: "string", default: "mixed" },
    timeout: { type: "string", default: "120" },
    ...Object.fromEntries(PEERS.map(({ name }) => [name, { type: "string" } as const])),
  },
});
const options = values as Record<string, string | undefined>;

/** What reading the log came to. */
interface Row {
  name: string;
  /** Seconds. */
  cpu: number;
  wall: number;
  /** MiB. */
  rss: number;
  events: number;
}

/** Runs a peer until all has arrived, or nothing more does for ten seconds. */
async function run(peer: Peer, binary: string, log: LogFile, url: string, directory: string): Promise<Row> {
  mkdirSync(directory);
  await counted(url);
  const { args, env } = peer.configure({ log: log.path, url, directory });
  const started = performance.now();
  const child = spawn(binary, args, { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(child, "exit");
  const row: Row = { name: peer.name, cpu: 0, wall: 0, rss: 0, events: 0 };
  let moved = started;
  while (child.exitCode === null && child.signalCode === null) {
    await sleep(100);
    const now = performance.now();
    const { events } = await countNow(url);
    if (child.exitCode === null && child.signalCode === null) {
      row.cpu = cpuOf(child.pid!);
      row.rss = peakOf(child.pid!);
    }
    if (events > row.events) [row.events, row.wall, moved] = [events, (now - started) / 1000, now];
    if (events >= log.events || now - moved > 10_000 || now - started > Number(options.timeout) * 1000) break;
  }
  child.kill("SIGKILL");
  await ended;
  return row;
}

function print(rows: readonly Row[], { bytes, events }: LogFile): void {
  console.table(
    rows.map(({ name, cpu, wall, rss, events: arrived }) => ({
      shipper: name,
      "CPU-s/GB": (cpu / (bytes / 1e9)).toFixed(2),
      "MB/s": (bytes / 1e6 / wall).toFixed(0),
      "peak RSS MiB": rss.toFixed(0),
      "events arrived": `${arrived} of ${events}`,
    })),
  );
}

const directory = mkdtempSync(join(tmpdir(), "auditship-bench-compare-"));
try {
  const log = writeLog(directory, options.mix as Mix, Number(options.size) * 1024 ** 2);
  const { url } = await startSink();
  const own = async (name: string, work: Promise<{ cpu: number; wall: number; rss: number }>): Promise<Row> => {
    const { cpu, wall, rss } = await work;
    return { name, cpu, wall, rss: rss / 1024 ** 2, events: log.events };
  };
  const rows = [
    await own("floor: copy", floor("copy", log.path, { directory, url })),
    await own("auditship (rules, redaction)", ship(log, { directory, url })),
  ];
  for (const peer of PEERS) {
    const binary = options[peer.name] ?? process.env[`BENCH_${peer.name.toUpperCase()}`];
    if (binary) rows.push(await run(peer, binary, log, url, join(directory, peer.name)));
    else process.stdout.write(`${peer.name}: not given (--${peer.name} FILE or BENCH_${peer.name.toUpperCase()}).\n`);
  }
  print(rows, log);
} finally {
  stopSinks();
  rmSync(directory, { recursive: true, force: true });
}
