/**
 * `npm run bench`: everything that has a goal, in under ten minutes on two cores. Prints one table and writes it
 * to `--json FILE` (bench/results.json). Each bench also runs alone: `npm run bench:NAME`; what it measures stands in README.md.
 * `--only NAME`, several.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { print, type Result, writeResults } from "./results.js";

const HERE = import.meta.dirname;

/** In the order of the table. `bundled`: run by plain Node, as the program is. */
const BENCHES: { name: string; args: string[]; bundled?: boolean }[] = [
  { name: "shipping", args: [] },
  { name: "steady", args: ["--seconds", "30"] },
  { name: "rules", args: ["--rules", "50", "--rules", "500"], bundled: true },
  { name: "alerts", args: ["--seconds", "20", "--phase", "1"] },
  { name: "start", args: [] },
];

const { values: options } = parseArgs({
  options: {
    json: { type: "string", default: join(HERE, "results.json") },
    only: { type: "string", multiple: true, default: BENCHES.map(({ name }) => name) },
  },
});

const directory = mkdtempSync(join(tmpdir(), "auditship-bench-"));

/** Runs one in a process of its own; gives its lines, none if it failed. */
async function run({ name, args, bundled }: (typeof BENCHES)[number]): Promise<Result[]> {
  process.stdout.write(`== ${name}\n`);
  const results = join(directory, name);
  const runner = bundled ? [join(HERE, "../scripts/bundled.mjs")] : ["--import", "tsx"];
  const child = spawn(process.execPath, [...runner, join(HERE, `${name}.ts`), ...args, "--results", results], {
    stdio: "inherit",
  });
  await once(child, "exit");
  return existsSync(results) ? JSON.parse(readFileSync(results, "utf8")) : [];
}

try {
  const chosen = BENCHES.filter(({ name }) => options.only.includes(name));
  const all: Result[] = [];
  for (const bench of chosen) {
    const results = await run(bench);
    if (results.length === 0) process.exitCode = 1;
    all.push(...results);
  }
  process.stdout.write("\n");
  print(all);
  writeResults(options.json, all);
} finally {
  rmSync(directory, { recursive: true });
}
