import type { Host, Verdict } from "../plugin/index.js";
import type { PendingRequest } from "./request.js";

/** What the outcome of a request says about load: one that an operator must mend, or that was too large, says nothing. */
export function loadOf(verdicts: readonly Verdict[]): "taken" | "late" | "pushedBack" | "other" {
  if (verdicts.some((verdict) => verdict.kind === "retry" && verdict.late)) return "late";
  if (verdicts.some((verdict) => verdict.kind === "retry" && !verdict.slow)) return "pushedBack";
  return verdicts.some(({ kind }) => kind === "retry" || kind === "split") ? "other" : "taken";
}

/** Indexes of a request's items by verdict. */
export interface Sorted {
  done: number[];
  duplicate: number[];
  /** Said to be there already, though never sent before. */
  conflict: number[];
  retried: number[];
  refused: number[];
  split: number[];
  /** What a far end that wants nothing more did not take. */
  left: number[];
}

/** Sorts the items of a request by their verdicts. */
export function sort(request: PendingRequest, verdicts: readonly Verdict[]): Sorted {
  const sorted: Sorted = { done: [], duplicate: [], conflict: [], retried: [], refused: [], split: [], left: [] };
  const lists = {
    done: sorted.done,
    duplicate: sorted.duplicate,
    retry: sorted.retried,
    reject: sorted.refused,
    // A single event that is too large cannot be halved: it is refused.
    split: verdicts.length > 1 ? sorted.split : sorted.refused,
    stop: sorted.left,
  };
  for (let index = 0; index < verdicts.length; index++) {
    const { kind } = verdicts[index];
    const isConflict = kind === "duplicate" && !request.mayBeTaken(index);
    (isConflict ? sorted.conflict : lists[kind]).push(index);
  }
  return sorted;
}

/** Counts a request that was taken as a whole. */
export function countTaken({ meter, name }: Host, { count }: PendingRequest): void {
  meter.add("auditship_sink_events_total", count, name, "created");
  meter.add("auditship_sink_requests_total", 1, name, "ok");
}

/** Counts what a sink answered. */
export function countOutcome(
  { meter, name }: Host,
  request: PendingRequest,
  verdicts: readonly Verdict[],
  sorted: Sorted,
): void {
  const events: [string, number[]][] = [
    ["created", sorted.done],
    ["duplicate", sorted.duplicate],
    ["conflict", sorted.conflict],
    ["retried", sorted.retried],
    ["rejected", sorted.refused],
  ];
  for (const [result, { length }] of events) {
    if (length > 0) meter.add("auditship_sink_events_total", length, name, result);
  }
  const taken = sorted.done.length + sorted.duplicate.length + sorted.conflict.length;
  const outcome = taken === request.count ? "ok" : sorted.split.length > 0 ? "split" : taken > 0 ? "partial" : "retry";
  meter.add("auditship_sink_requests_total", 1, name, outcome);
  for (const [reason, count] of reasonsOf(verdicts, sorted.retried)) {
    meter.add("auditship_sink_retries_total", count, name, labelOf(reason));
  }
}

/** How many there are of each reason. */
function reasonsOf(verdicts: readonly Verdict[], indexes: readonly number[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const index of indexes) {
    const { reason } = verdicts[index] as { reason: string };
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return counts;
}

/** A reason as a label: its first words, no numbers or quoted text. */
const labelOf = (reason: string): string =>
  reason
    .replace(/[:(].*$/s, "")
    .replace(/\d{4,}|"[^"]*"/g, "…")
    .slice(0, 60)
    .trim();
