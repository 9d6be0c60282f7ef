/** What became of one item of a request, or of all of it. DESIGN §6, "Verdicts". */
export type Verdict =
  | { kind: "done" }
  /** It was there already, under our id. */
  | { kind: "duplicate" }
  /** Try again: the far end's or our rights' fault, not the document's. `after` = milliseconds, if the far end said. */
  | { kind: "retry"; reason: string; after?: number; slow?: boolean }
  /** This document will never be taken: safe shape once if the sink has one, then dead letter. */
  | { kind: "reject"; reason: string }
  /** Too large: halve the request; a single item that is too large is a reject. */
  | { kind: "split"; reason: string };

export const DONE: Verdict = { kind: "done" };
export const DUPLICATE: Verdict = { kind: "duplicate" };
export const retry = (reason: string, after?: number): Verdict => ({ kind: "retry", reason, after });
/** For what only an operator can mend (401, 403, missing index): retried for ever, slowly and loudly. */
export const retrySlowly = (reason: string): Verdict => ({ kind: "retry", reason, slow: true });
export const reject = (reason: string): Verdict => ({ kind: "reject", reason });
export const split = (reason: string): Verdict => ({ kind: "split", reason });

/** `Retry-After` (seconds or HTTP date) in milliseconds from `now`; undefined if absent or nonsense. RFC 9110 §10.2.3. */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  if (!header) return undefined;
  const seconds = Number(header);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now;
  return Number.isFinite(wait) && wait >= 0 ? Math.min(wait, 3_600_000) : undefined;
}
