import { nearest } from "../plugin/nearest.js";

/** One order over all ecosystems: KubeSphere's, Falco's and Sigma's names by rank. */
const NAMES: readonly (readonly string[])[] = [
  ["DEBUG", "Debug", "informational"],
  ["INFO", "Informational", "Notice", "low"],
  ["WARNING", "Warning", "medium"],
  ["Error", "high"],
  ["Critical", "critical"],
  ["Alert"],
  ["Emergency"],
];

const RANKS = new Map<string, number>(NAMES.flatMap((names, rank) => names.map((name) => [name, rank] as const)));

/**
 * The rank of a priority, 0 to 6; undefined if no ecosystem has that name. Names count in any case, but for `informational`,
 * which is Sigma's lowest, and `Informational`, which is Falco's.
 */
export function rankOf(name: string): number | undefined {
  const exact = RANKS.get(name);
  if (exact !== undefined) return exact;
  const found = NAMES.findIndex((names) => names.some((known) => known.toLowerCase() === name.toLowerCase()));
  return found < 0 ? undefined : found;
}

/** The known name that is most like this one. */
export function nearestPriority(name: string): string | undefined {
  return nearest(name, RANKS.keys());
}
