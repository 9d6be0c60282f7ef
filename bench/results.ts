import { writeFileSync } from "node:fs";

/** One line of the table of `npm run bench`. */
export interface Result {
  work: string;
  /** Of `ours` and `floor`. */
  unit: string;
  ours: number;
  /** What it is measured against, in the same run. */
  floor?: number;
  /** Bound for `ours / floor`, or for `ours` where there is no floor. */
  goal: { most: number } | { least: number };
}

const ratioOf = ({ ours, floor }: Result): number | undefined => floor && ours / floor;

const isMet = (result: Result): boolean => {
  const value = ratioOf(result) ?? result.ours;
  return "most" in result.goal ? value <= result.goal.most : value >= result.goal.least;
};

const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** Prints the table; a bench that runs alone does it with its own lines. */
export function print(results: readonly Result[]): void {
  const rows = results.map((result) => {
    const { work, unit, ours, floor, goal } = result;
    const ratio = ratioOf(result);
    const bound = "most" in goal ? `≤ ${goal.most}` : `≥ ${goal.least}`;
    return [
      work,
      `${digits(ours)} ${unit}`,
      floor === undefined ? "" : digits(floor),
      ratio === undefined ? "" : ratio.toFixed(2),
      ratio === undefined ? `${bound} ${unit}` : `${bound}×`,
      isMet(result) ? "met" : "not met",
    ];
  });
  const table = [["work", "ours", "floor", "ratio", "goal", ""], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  for (const row of table) {
    process.stdout.write(
      `${row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join("  ")
        .trimEnd()}\n`,
    );
  }
}

/** Writes results as JSON, each with its ratio and whether its goal is met. */
export function writeResults(file: string, results: readonly Result[]): void {
  const told = results.map((result) => ({ ...result, ratio: ratioOf(result), met: isMet(result) }));
  writeFileSync(file, `${JSON.stringify(told, undefined, 2)}\n`);
}

/** How a bench ends: its lines go to `npm run bench`, which asked for them in `file`, or are printed. */
export function report(results: readonly Result[], file: string | undefined): void {
  if (file) writeResults(file, results);
  else print(results);
}
