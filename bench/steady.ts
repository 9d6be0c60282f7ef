/**
 * `npm run bench:steady`: what the agent uses while kube-apiserver writes 10,000 events/s of 1.3 KB, rotating every 10 MB, to an
 * Elasticsearch without gzip, with the rule pack, redaction and checkpoints. `--seconds N` that count (30), after five that do not.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Lumberjack } from "../test/support/lumberjack.js";
import { type Follower, withFollower } from "./agent.js";
import { counted } from "./null-sinks.js";
import { cpuOf, peakOf } from "./process.js";
import { report } from "./results.js";
import { writeSteadily } from "./writer.js";

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "30" },
    writer: { type: "string" },
    results: { type: "string" },
  },
});
const SECONDS = Number(options.seconds);
const WARM_UP = 5;
const LOAD = { rate: 10_000, bytes: 1300 };
const ROTATION = { maxSize: 10e6, maxBackups: 10 };

async function measure({ path, url, pid }: Follower): Promise<void> {
  const own = ["--import", "tsx", import.meta.filename, "--writer", path, "--seconds", options.seconds];
  const writer = spawn(process.execPath, own, { stdio: "inherit" });
  await sleep(WARM_UP * 1000);
  await counted(url);
  const [cpu, since] = [cpuOf(pid), performance.now()];
  await once(writer, "exit");
  const seconds = (performance.now() - since) / 1000;
  const { events } = await counted(url);
  const core = ((cpuOf(pid) - cpu) / seconds) * 100;
  process.stdout.write(`${Math.round(events / seconds)} events/s arrived, ${LOAD.rate} were to be written\n`);
  report(
    [
      { work: "10,000 events/s: CPU", unit: "% of a core", ours: core, goal: { most: 10 } },
      { work: "10,000 events/s: peak RSS", unit: "MiB", ours: peakOf(pid), goal: { most: 100 } },
    ],
    options.results,
  );
}

if (options.writer) {
  await writeSteadily(new Lumberjack(options.writer, ROTATION), { ...LOAD, seconds: WARM_UP + SECONDS });
} else await withFollower("steady", measure);
