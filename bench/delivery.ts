/**
 * `npm run bench:delivery`: what delivery costs, from batches that are ready to what a `_bulk` endpoint has taken, beside undici's pool
 * that posts the same bodies (gzipped, where ours are). Delivery has documents and ids written into its requests, which others are
 * measured for: what that costs a process that posts is what undici's costs more with it, and is taken off. Each side runs in a process
 * of its own and counts its CPU after a warm-up. `--runs N` (5) rounds of all sides, one after the other: the middle one of their ratios
 * counts, since what else the machine does meets the sides of one round alike. `--share S` (1) of {@link SIZES}.
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
    runs: { type: "string", default: "5" },
    share: { type: "string", default: "1" },
  },
});
const GOAL = 1.3;
/** MB of the log that count, of each side. */
const SIZES = { none: 4096, gzip: 1024 };

const SIDES = ["floor", "documents", "delivery"] as const;
type Side = (typeof SIDES)[number];

/** Seconds of CPU for a GB of the log. */
type Costs = Record<Side, number>;

/** One side, in a process of its own. */
async function run(side: Side, mix: Mix, compression: "gzip" | "none", url: string): Promise<number> {
  const args = ["--side", side, "--mix", mix, "--compression", compression, "--url", url];
  const child = spawn(
    process.execPath,
    [
      join(import.meta.dirname, "../scripts/bundled.mjs"),
      join(import.meta.dirname, "delivery-side.ts"),
      ...args,
      "--size",
      `${SIZES[compression] * Number(options.share)}`,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (code !== 0) throw new Error(`${side} ended with ${code}`);
  return JSON.parse(said).cpu;
}

/** What delivery costs, without what it does for others. */
const alone = ({ floor, documents, delivery }: Costs): number => delivery - (documents - floor);
const ratio = (costs: Costs): number => alone(costs) / costs.floor;

/** The round whose ratio is in the middle. */
async function compare(mix: Mix, compression: "gzip" | "none", url: string): Promise<Costs> {
  const rounds: Costs[] = [];
  for (let i = 0; i < Number(options.runs); i++) {
    const costs: Costs = { floor: 0, documents: 0, delivery: 0 };
    for (const side of SIDES) {
      process.stderr.write(`${mix}, ${compression}: ${side} ${i + 1}/${options.runs}   \r`);
      costs[side] = await run(side, mix, compression, url);
    }
    rounds.push(costs);
  }
  return rounds.sort((a, b) => ratio(a) - ratio(b))[rounds.length >> 1];
}

try {
  const { url } = await startSink();
  process.stdout.write("CPU-s/GB              undici  and documents    ours   delivery alone   ratio    goal\n");
  for (const mix of ["mixed", "metadata"] as const) {
    for (const compression of ["none", "gzip"] as const) {
      const costs = await compare(mix, compression, url);
      const cells = [
        `${mix}, ${compression}`.padEnd(20),
        costs.floor.toFixed(2).padStart(7),
        costs.documents.toFixed(2).padStart(14),
        costs.delivery.toFixed(2).padStart(7),
        alone(costs).toFixed(2).padStart(16),
        ratio(costs).toFixed(2).padStart(7),
        `≤ ${GOAL}`.padStart(7),
      ];
      process.stdout.write(`${cells.join(" ")}\n`);
    }
  }
} finally {
  stopSinks();
}
