/**
 * `npm run bench:check`: fails when shipping a log has become dearer by more than a third, as a ratio to the stringify floor (the
 * one that is no shorter than what we do: the others end before a machine's noise does), than baseline.json says. CPU time, ours and the
 * floor in turns, the median of the rounds' ratios: what else the machine does hardly shows. `--rounds N` (3); `--size MB` of each log
 * (128); `--write`: makes what is now the baseline.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startSink, stopSinks } from "./null-sinks.js";
import { print } from "./results.js";
import { floor, median, ship, writeLog } from "./ship.js";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    size: { type: "string", default: "128" },
    write: { type: "boolean", default: false },
  },
});
const BASELINE = join(import.meta.dirname, "baseline.json");
/** How much dearer than the baseline fails. */
const TOLERANCE = 4 / 3;

const directory = mkdtempSync(join(tmpdir(), "auditship-bench-check-"));

/** Ratios of our CPU time to a floor's, by what was done. */
async function measure(): Promise<Record<string, number>> {
  const ratios: Record<string, number> = {};
  const { url } = await startSink();
  const to = { directory, url };
  for (const mix of ["metadata", "mixed"] as const) {
    const log = writeLog(directory, mix, Number(options.size) * 1024 ** 2);
    const rounds: { plain: number; gzip: number }[] = [];
    for (let round = 0; round < Number(options.rounds); round++) {
      const stringify = await floor("stringify", log.path, to);
      const plain = await ship(log, to);
      const gzip = await ship(log, { ...to, compression: "gzip" });
      rounds.push({ plain: plain.cpu / stringify.cpu, gzip: gzip.cpu / stringify.cpu });
    }
    ratios[mix] = median(rounds.map(({ plain }) => plain));
    ratios[`${mix} with gzip`] = median(rounds.map(({ gzip }) => gzip));
  }
  return ratios;
}

try {
  const ratios = await measure();
  if (options.write) writeFileSync(BASELINE, `${JSON.stringify(ratios, undefined, 2)}\n`);
  const baseline: Record<string, number> = JSON.parse(readFileSync(BASELINE, "utf8"));
  const results = Object.entries(ratios).map(([work, ours]) => ({
    work,
    unit: "× stringify",
    ours,
    floor: baseline[work],
    goal: { most: Number(TOLERANCE.toFixed(2)) },
  }));
  print(results);
  if (results.some(({ ours, floor, goal }) => ours / floor > goal.most)) {
    process.stdout.write("Shipping has become dearer. If that is meant: npm run bench:check -- --write.\n");
    process.exitCode = 1;
  }
} finally {
  stopSinks();
  rmSync(directory, { recursive: true, force: true });
}
