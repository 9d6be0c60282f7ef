/**
 * `npm run bench:outage`: what one dead sink of three costs the others. A writer with lumberjack's system calls writes in a
 * process of its own and rotates every 20 MB; this process is two null `_bulk` servers, one of which refuses connections for a
 * while; the third sink is a file. Says how long events take from their write(2) to the server that is well, before, during and
 * after the outage of the other, how much memory the agent has, and holds documents and lines against events at the end.
 * `--seconds N` of each phase (20), `--rate N` events per second (1000).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type BulkServer, startBulkServer } from "../test/support/bulk-server.js";
import { Lumberjack } from "../test/support/lumberjack.js";
import { TcpProxy } from "../test/support/tcp-proxy.js";
import { startAgent } from "./agent.js";
import { memoryOf } from "./process.js";

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "20" },
    rate: { type: "string", default: "1000" },
    path: { type: "string" },
  },
});
const SECONDS = Number(options.seconds);
const RATE = Number(options.rate);
const PHASES = ["all are well", "one is dead", "it is back, and catches up", "all are well again"];
const AUDIT_ID = /"auditID":"(\d+)"/;

/** Microseconds since the epoch, for processes of one machine. */
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

/** An event of 1.3 KB; its auditID is the time of its write. */
function line(): string {
  const stamp = new Date().toISOString();
  return `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"${now()}","stage":"ResponseComplete","requestURI":"/api/v1/pods","verb":"list","user":{"username":"alice"},"userAgent":"${"x".repeat(1000)}","objectRef":{"resource":"pods"},"responseStatus":{"code":200},"requestReceivedTimestamp":"${stamp}","stageTimestamp":"${stamp}"}\n`;
}

/** Writes lines at the rate through all phases, one write(2) each. */
async function write(path: string): Promise<void> {
  const log = new Lumberjack(path, { maxSize: 20e6 });
  const started = performance.now();
  const all = PHASES.length * SECONDS * RATE;
  for (let written = 0; written < all; await sleep(1)) {
    const due = Math.min(all, ((performance.now() - started) / 1000) * RATE);
    for (; written < due; written++) log.write(line());
  }
  log.close();
}

function start(directory: string, urls: string[]): Promise<ChildProcess> {
  const [well, dead] = urls.map((url) => ({ type: "elasticsearch", urls: [url], compression: "none" }));
  const config = {
    sources: { bench: { path: "log/audit.log" } },
    state: "state",
    stages: ["parse", "redact"],
    sinks: { well, dead, local: { type: "file", path: "archive.ndjson" } },
    observe: { listen: "none" },
  };
  return startAgent(directory, config);
}

/** Waits until a server has as many documents, for a minute at most. */
async function complete(server: BulkServer, events: number): Promise<void> {
  for (let i = 0; i < 600 && server.stored.size < events; i++) await sleep(100);
}

async function measure(): Promise<void> {
  const directory = fs.mkdtempSync(join(tmpdir(), "auditship-bench-outage-"));
  fs.mkdirSync(join(directory, "log"));
  let latencies: number[] = [];
  const well = await startBulkServer({
    keep: false,
    onStored: ({ document }) => {
      latencies.push((now() - Number(AUDIT_ID.exec(document.toString("latin1", 0, 300))![1])) / 1000);
    },
  });
  const dead = await startBulkServer({ keep: false });
  const proxy = await TcpProxy.to(dead.url);
  const agent = await start(directory, [well.url, proxy.url]);
  const writer = spawn(
    process.execPath,
    ["--import", "tsx", import.meta.filename, "--path", join(directory, "log", "audit.log"), ...process.argv.slice(2)],
    { stdio: "inherit" },
  );
  const written = once(writer, "exit");
  const rows: object[] = [];
  try {
    for (const phase of PHASES) {
      if (phase === PHASES[1]) await proxy.refuse();
      if (phase === PHASES[2]) await proxy.listen();
      latencies = [];
      await sleep(SECONDS * 1000);
      const sorted = latencies.sort((a, b) => a - b);
      const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]?.toFixed(1) ?? "";
      rows.push({
        phase,
        "p50 ms": at(0.5),
        "p99 ms": at(0.99),
        "longest ms": at(1),
        "RSS MiB": memoryOf(agent.pid!).toFixed(0),
      });
    }
    await written;
    const events = PHASES.length * SECONDS * RATE;
    for (const server of [well, dead]) await complete(server, events);
    const lines = fs.readFileSync(join(directory, "archive.ndjson"), "utf8").split("\n").length - 1;
    console.table(rows);
    console.log(`${events} events; documents ${well.stored.size} and ${dead.stored.size}, lines in the file ${lines}`);
  } finally {
    agent.kill();
    writer.kill();
    await once(agent, "exit");
    await proxy.close();
    await well.close();
    await dead.close();
    fs.rmSync(directory, { recursive: true });
  }
}

if (options.path) await write(options.path);
else await measure();
