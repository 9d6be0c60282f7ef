/**
 * `npm run bench:delivery`: what delivery costs, from batches that are ready to what a `_bulk` endpoint has taken, beside undici's pool
 * that posts the same bodies (gzipped, where ours are). Delivery has documents and ids written into its requests, which others are
 * measured for: what that costs a process that posts is what undici's costs more with it, and is taken off. Each side runs in a process
 * of its own and counts its CPU after {@link WARM_UP}. `--size MB` of each log (1024); `--runs N` (5): the median counts.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import type { Mix } from "../src/simulate/index.js";
import { startSink, stopSinks } from "./null-sinks.js";

const { values: options } = parseArgs({
  options: {
    size: { type: "string", default: "1024" },
    runs: { type: "string", default: "5" },
  },
});
const GOAL = 1.3;
/**
 * MB of the log that each side sends before it counts. What runs once for each request of 4 MB is compiled by V8 after a thousand of
 * them; beside gzip that is nothing.
 */
const WARM_UP = { none: 4096, gzip: 512 };

const SIDES = ["floor", "documents", "delivery"] as const;
type Side = (typeof SIDES)[number];

interface Cost {
  /** Seconds of CPU for a GB of the log. */
  cpu: number;
}

/** One side, in a process of its own. */
async function run(side: Side, mix: Mix, compression: "gzip" | "none", url: string): Promise<Cost> {
  const args = ["--side", side, "--mix", mix, "--compression", compression, "--url", url];
  const child = spawn(
    process.execPath,
    [
      join(import.meta.dirname, "../scripts/bundled.mjs"),
      join(import.meta.dirname, "delivery-side.ts"),
      ...args,
      "--size",
      options.size,
      "--warm-up",
      `${WARM_UP[compression]}`,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (code !== 0) throw new Error(`${side} ended with ${code}`);
  return JSON.parse(said);
}

/** All sides in turn, so that what else the machine does meets all of them. */
async function compare(mix: Mix, compression: "gzip" | "none", url: string): Promise<Record<Side, Cost>> {
  const costs: Record<Side, Cost[]> = { floor: [], documents: [], delivery: [] };
  for (let i = 0; i < Number(options.runs); i++) {
    for (const side of SIDES) {
      process.stderr.write(`${mix}, ${compression}: ${side} ${i + 1}/${options.runs}   \r`);
      costs[side].push(await run(side, mix, compression, url));
    }
  }
  return { floor: median(costs.floor), documents: median(costs.documents), delivery: median(costs.delivery) };
}

const median = (costs: Cost[]): Cost => costs.sort((a, b) => a.cpu - b.cpu)[Math.floor(costs.length / 2)];

try {
  const { url } = await startSink();
  process.stdout.write("CPU-s/GB              undici  and documents    ours   delivery alone   ratio    goal\n");
  for (const mix of ["mixed", "metadata"] as const) {
    for (const compression of ["none", "gzip"] as const) {
      const { floor, documents, delivery } = await compare(mix, compression, url);
      const alone = delivery.cpu - (documents.cpu - floor.cpu);
      const cells = [
        `${mix}, ${compression}`.padEnd(20),
        floor.cpu.toFixed(2).padStart(7),
        documents.cpu.toFixed(2).padStart(14),
        delivery.cpu.toFixed(2).padStart(7),
        alone.toFixed(2).padStart(16),
        (alone / floor.cpu).toFixed(2).padStart(7),
        `≤ ${GOAL}`.padStart(7),
      ];
      process.stdout.write(`${cells.join(" ")}\n`);
    }
  }
} finally {
  stopSinks();
}
