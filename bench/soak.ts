/**
 * `npm run bench:soak`: whether the agent's memory stays what it is while kube-apiserver writes 5,000 events/s for half an hour,
 * rotating every 10 MB, to an Elasticsearch without gzip, with the rule pack, redaction and checkpoints; and whether everything
 * arrived. `--minutes N` (30).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Lumberjack } from "../test/support/lumberjack.js";
import { type Follower, withFollower } from "./agent.js";
import { countNow } from "./null-sinks.js";
import { cpuOf, memoryOf, peakOf } from "./process.js";
import { median } from "./ship.js";
import { writeSteadily } from "./writer.js";

const { values: options } = parseArgs({
  options: { minutes: { type: "string", default: "30" }, writer: { type: "string" } },
});
const LOAD = { rate: 5000, bytes: 1300, seconds: Number(options.minutes) * 60 };
const ROTATION = { maxSize: 10e6, maxBackups: 10 };
/** Between two looks. */
const SAMPLE_MS = 10_000;

async function measure({ path, url, pid }: Follower): Promise<void> {
  const own = ["--import", "tsx", import.meta.filename, "--writer", path, "--minutes", options.minutes];
  const writer = spawn(process.execPath, own, { stdio: "inherit" });
  const sizes: number[] = [];
  const sampling = setInterval(() => sizes.push(memoryOf(pid)), SAMPLE_MS);
  await once(writer, "exit");
  clearInterval(sampling);
  await arrived(url);
  tell(sizes, pid);
}

/** Waits for all events; throws if they are not there within a minute. */
async function arrived(url: string): Promise<void> {
  const wanted = LOAD.rate * LOAD.seconds;
  for (let tries = 0; tries < 60; tries++) {
    const { events } = await countNow(url);
    if (events === wanted) return;
    if (events > wanted) throw new Error(`${events} events arrived, ${wanted} were written`);
    await sleep(1000);
  }
  throw new Error(`${(await countNow(url)).events} of ${wanted} events arrived`);
}

/** Memory by sixths of the time; that it stays what it is shows in the last five. */
function tell(sizes: readonly number[], pid: number): void {
  const sixth = Math.ceil(sizes.length / 6);
  const rows = Array.from({ length: 6 }, (_, part) => {
    const own = sizes.slice(part * sixth, (part + 1) * sixth);
    if (own.length === 0) return undefined;
    return {
      part: `${part + 1}/6`,
      "least MiB": Math.min(...own),
      "median MiB": median(own),
      "most MiB": Math.max(...own),
    };
  });
  for (const row of rows) if (row) process.stdout.write(`${JSON.stringify(row)}\n`);
  const { rate, seconds } = LOAD;
  const core = (100 * cpuOf(pid)) / seconds;
  process.stdout.write(
    `All ${rate * seconds} events arrived; peak ${peakOf(pid).toFixed(0)} MiB, ${core.toFixed(1)} % of a core.\n`,
  );
}

if (options.writer) await writeSteadily(new Lumberjack(options.writer, ROTATION), LOAD);
else await withFollower("soak", measure);
