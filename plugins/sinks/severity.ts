/** Three steps for people, from a match's rank (0 DEBUG … 6 Emergency). */
export type Severity = "info" | "warning" | "critical";

/** WARNING and above are warnings; what is above it (Error, high, Critical, …) is critical. */
export function severityOf(rank: number): Severity {
  if (rank < 2) return "info";
  return rank === 2 ? "warning" : "critical";
}
