/**
 * `npm run bench:check`: fails when shipping a log has become dearer by more than a third, as a ratio to the stringify floor, than
 * baseline.json says. What else the machine does hardly shows: CPU time, of a large log less that of a small one, so that starting is
 * not part of it; ours and the floor in turns; the median of the rounds' ratios. `--rounds N` (3); `--write`: makes what is now the
 * baseline.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Mix } from "../src/simulate/index.js";
import { startSink, stopSinks } from "./null-sinks.js";
import { print } from "./results.js";
import { type Cost, floor, type LogFile, median, ship, writeLog } from "./ship.js";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    write: { type: "boolean", default: false },
  },
});
const BASELINE = join(import.meta.dirname, "baseline.json");
/** Bytes of the two logs. */
const SIZES = { small: 8 * 1024 ** 2, large: 136 * 1024 ** 2 };
/** How much dearer than the baseline fails. */
const TOLERANCE = 4 / 3;

const directory = mkdtempSync(join(tmpdir(), "auditship-bench-check-"));

/** Both logs of a mix. */
function writeLogs(mix: Mix): { small: LogFile; large: LogFile } {
  const [small, large] = Object.entries(SIZES).map(([name, bytes]) => {
    const own = join(directory, name);
    mkdirSync(own, { recursive: true });
    return writeLog(own, mix, bytes);
  });
  return { small, large };
}

/** Ratios of our CPU time to the floor's, by what was done. */
async function measure(): Promise<Record<string, number>> {
  const ratios: Record<string, number> = {};
  const { url } = await startSink();
  const to = { directory, url };
  for (const mix of ["metadata", "mixed"] as const) {
    const { small, large } = writeLogs(mix);
    const cpu = async (run: (log: LogFile) => Promise<Cost>) => (await run(large)).cpu - (await run(small)).cpu;
    const rounds: { plain: number; gzip: number }[] = [];
    for (let round = 0; round < Number(options.rounds); round++) {
      const stringify = await cpu((log) => floor("stringify", log.path, to));
      const plain = await cpu((log) => ship(log, to));
      const gzip = await cpu((log) => ship(log, { ...to, compression: "gzip" }));
      rounds.push({ plain: plain / stringify, gzip: gzip / stringify });
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
  process.stdout.write("floor: what baseline.json says\n");
  print(results);
  if (results.some(({ ours, floor, goal }) => ours / floor > goal.most)) {
    process.stdout.write("Shipping has become dearer. If that is meant: npm run bench:check -- --write.\n");
    process.exitCode = 1;
  }
} finally {
  stopSinks();
  rmSync(directory, { recursive: true, force: true });
}
