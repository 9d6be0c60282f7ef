import { nearest } from "../plugin/nearest.js";

/** The names of KubeSphere's, Falco's and Sigma's priorities, in one order by rank. */
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
 * The rank of a priority, 0 to 6; undefined if no ecosystem has that name. Case is ignored, except that `informational` is Sigma's
 * lowest priority and `Informational` is Falco's.
 */
export function rankOf(name: string): number | undefined {
  const exact = RANKS.get(name);
  if (exact !== undefined) return exact;
  const found = NAMES.findIndex((names) => names.some((known) => known.toLowerCase() === name.toLowerCase()));
  return found < 0 ? undefined : found;
}

/** The known name that resembles this one most. */
export function nearestPriority(name: string): string | undefined {
  return nearest(name, RANKS.keys());
}
