/**
 * `npx tsx bench/tail.ts`: what it costs to follow a file, and how long a line takes from the write to whoever reads: our reader
 * woken by the kernel (watch), our reader where the kernel tells nothing (poll), and `@logdna/tail-file` pinned to the descriptor. Each in a
 * process of its own, beside a writer that makes one write per line of 1.3 KB. `--seconds N` of each phase (10).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import TailFile from "@logdna/tail-file";
import { z } from "zod";
import { EventExtractor } from "../src/event/index.js";
import type { SourceContext } from "../src/plugin/index.js";
import fileSource from "../src/tail/index.js";
import { atRate } from "./writer.js";

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    as: { type: "string" },
    path: { type: "string", default: "" },
  },
});
const SECONDS = Number(options.seconds);
/** Lines per second of each phase. */
const RATES = [0, 50, 10_000];
const KINDS = ["watch", "poll", "tail-file"];
const LINE = 1300;
const STAMP = 16;
const HEAD = '{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"';

/** Microseconds since the epoch, for processes of one machine. */
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

/** Writes lines at a rate, each with the time of its write, as one write(2). */
async function write(path: string, rate: number): Promise<void> {
  const line = Buffer.from(`${HEAD}${"0".repeat(STAMP)}"`.padEnd(LINE - 2, " ").concat("}\n"));
  const fd = fs.openSync(path, "a");
  await atRate(rate, SECONDS, () => {
    line.write(String(now()).padStart(STAMP, "0"), HEAD.length);
    fs.writeSync(fd, line);
  });
}

const latencies: number[] = [];

/** Notes the latency of each line in a run of whole lines. */
function take(bytes: Uint8Array, length: number): void {
  const time = now();
  for (let at = 0; at + LINE <= length; at += LINE) {
    let stamp = 0;
    for (let i = at + HEAD.length; i < at + HEAD.length + STAMP; i++) stamp = stamp * 10 + bytes[i] - 0x30;
    latencies.push(time - stamp);
  }
}

async function readOurs(path: string, watch: boolean): Promise<void> {
  if (!watch) {
    fs.watch = () => {
      throw new Error("refused");
    };
  }
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const context = {
    name: "bench",
    log: quiet,
    meter: { add() {}, set() {}, observe() {} },
    now: Date.now,
    resolve: (name: string) => name,
    restored: undefined,
    once: false,
    maxLine: 24 << 20,
    extractor: () => new EventExtractor(),
  } as unknown as SourceContext;
  const source = await fileSource.open(fileSource.options(z).parse({ path }), context);
  const reader = await source.reader({ at: "end" });
  const into = Buffer.alloc(1 << 20);
  for (;;) {
    const chunk = await reader.next(into);
    if (chunk) take(chunk.bytes, chunk.length);
  }
}

/** As `reference` says it is best used; its stream has the bytes without a copy of ours. */
async function readTailFile(path: string): Promise<void> {
  const fd = fs.openSync(path, "r");
  const settings = {
    startPos: fs.fstatSync(fd).size,
    pollFileIntervalMs: 20,
    maxPollFailures: 1e9,
    readStreamOpts: { highWaterMark: 1 << 20 },
    highWaterMark: 4 << 20,
  };
  const tail = new TailFile(`/proc/self/fd/${fd}`, settings as ConstructorParameters<typeof TailFile>[1]);
  let rest: Buffer = Buffer.alloc(0);
  tail.on("data", (part: Buffer) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, part]) : part;
    const whole = bytes.length - (bytes.length % LINE);
    take(bytes, whole);
    rest = bytes.subarray(whole);
  });
  await tail.start();
}

/** Reads; at every `measure` says what the time since the last one came to. */
async function read(kind: string, path: string): Promise<void> {
  let cpu = process.cpuUsage();
  let since = performance.now();
  process.on("message", () => {
    const used = process.cpuUsage(cpu);
    const sorted = latencies.splice(0).sort((a, b) => a - b);
    const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN) / 1000;
    process.send!({
      lines: sorted.length,
      core: ((used.user + used.system) / 1000 / (performance.now() - since)) * 100,
      p50: at(0.5),
      p99: at(0.99),
    });
    cpu = process.cpuUsage();
    since = performance.now();
  });
  process.on("disconnect", () => process.exit());
  process.send!("ready");
  await (kind === "tail-file" ? readTailFile(path) : readOurs(path, kind === "watch"));
}

interface Measured {
  lines: number;
  core: number;
  /** Milliseconds; null if there was no line. */
  p50: number | null;
  p99: number | null;
}

function start(as: string, path: string) {
  const args = ["--import", "tsx", import.meta.filename, "--as", as, "--path", path, "--seconds", String(SECONDS)];
  return spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
}

async function compare(): Promise<void> {
  const directory = fs.mkdtempSync(join(tmpdir(), "auditship-bench-tail-"));
  const rows: object[] = [];
  try {
    for (const kind of KINDS) {
      const path = join(directory, `${kind}.log`);
      fs.writeFileSync(path, `${HEAD}"}`.padEnd(LINE - 1, " ").concat("\n"));
      const reader = start(kind, path);
      await once(reader, "message");
      await sleep(1000);
      for (const rate of RATES) {
        reader.send("measure");
        await once(reader, "message");
        const writer = rate > 0 ? start(`writer-${rate}`, path) : undefined;
        await (writer ? once(writer, "exit") : sleep(SECONDS * 1000));
        await sleep(100);
        reader.send("measure");
        const [{ lines, core, p50, p99 }] = (await once(reader, "message")) as [Measured];
        const ms = (value: number | null) => value?.toFixed(1) ?? "";
        rows.push({
          reader: kind,
          "lines/s": rate,
          lines,
          "% of a core": core.toFixed(2),
          "p50 ms": ms(p50),
          "p99 ms": ms(p99),
        });
      }
      reader.kill("SIGKILL");
      await once(reader, "exit");
    }
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
  console.table(rows);
}

if (options.as?.startsWith("writer-")) await write(options.path, Number(options.as.slice("writer-".length)));
else if (options.as) await read(options.as, options.path);
else await compare();
