import type { Outcome } from "./scenario.js";

const HEAD = [
  "scenario",
  "events",
  "lost",
  "twice",
  "gone, bytes",
  "counted, bytes",
  "dead letters",
  "recovered, s",
  "RSS, MiB",
  "s",
  "",
];

/** The outcomes as text, a row each. */
export function table(outcomes: readonly Outcome[]): string {
  const rows = [HEAD, ...outcomes.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => pad(cell, widths[column], column))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function cells({
  name,
  events,
  lost,
  twice,
  gone,
  counted,
  deadLetters,
  recovered,
  peak,
  seconds,
  problems,
}: Outcome): string[] {
  const { atMost, ...exact } = counted;
  const losses = Object.entries(exact).map(([reason, bytes]) => `${bytes} ${reason}`);
  if (atMost !== undefined) losses.push(`≤ ${atMost}`);
  const numbers = [events, lost, twice, gone].map(String);
  return [
    name,
    ...numbers,
    losses.join(" ") || "0",
    `${deadLetters}`,
    recovered?.toFixed(1) ?? "",
    peak.toFixed(0),
    seconds.toFixed(1),
    problems.length ? "FAILED" : "",
  ];
}

/** Names to the left, numbers to the right. */
const pad = (cell: string, width: number, column: number): string =>
  column === 0 || column === HEAD.length - 1 ? cell.padEnd(width) : cell.padStart(width);
