/** What became of one item of a request, or of all of it. */
export type Verdict =
  | { kind: "done" }
  /** It was stored already, under our id. If it was never sent before, that is counted separately (`conflict`) and logged. */
  | { kind: "duplicate" }
  /** Try again: the far end's or our rights' fault, not the document's. `after` = milliseconds, if the far end said. `unsure`: it may have been taken. `late`: it took too long, so that smaller requests may get through. */
  | { kind: "retry"; reason: string; after?: number; slow?: boolean; unsure?: boolean; late?: boolean }
  /** This document will never be taken: safe shape once if the sink has one, then dead letter. */
  | { kind: "reject"; reason: string }
  /** Too large, or one of the items will never be accepted and nobody says which: halve the request; a single item is a reject. */
  | { kind: "split"; reason: string; unsure?: boolean }
  /** The far end wants nothing, now or later: the sink stops, and its cursor stays, until a reload or restart. */
  | { kind: "stop"; reason: string };

type Retry = Extract<Verdict, { kind: "retry" }>;
type Split = Extract<Verdict, { kind: "split" }>;
export type Stop = Extract<Verdict, { kind: "stop" }>;

export const DONE: Verdict = { kind: "done" };
export const DUPLICATE: Verdict = { kind: "duplicate" };
export const retry = (reason: string, after?: number): Retry => ({ kind: "retry", reason, after });
/** For what only an operator can fix (401, 403, missing index): retried for ever, slowly and loudly. */
export const retrySlowly = (reason: string): Retry => ({ kind: "retry", reason, slow: true });
export const reject = (reason: string): Verdict => ({ kind: "reject", reason });
export const split = (reason: string): Split => ({ kind: "split", reason });
export const stop = (reason: string): Stop => ({ kind: "stop", reason });

/** The same verdict on something that may have been accepted nevertheless: the next try says so (`Request.unsure`). */
export const unsure = (verdict: Retry | Split): Verdict => ({ ...verdict, unsure: true });

/** What a server or proxy answers that gave a request up for its time. RFC 9110 §15.5.9, §15.6.5. */
const TOO_LONG = new Set([408, 504]);

/** `retry` of what was answered with this HTTP status. */
export const retryStatus = (status: number, reason: string, after?: number): Retry => ({
  ...retry(reason, after),
  ...(TOO_LONG.has(status) && { late: true }),
});

/** `Retry-After` (seconds or HTTP date) in milliseconds from `now`; undefined if absent or nonsense. RFC 9110 §10.2.3. */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  if (!header) return undefined;
  const seconds = Number(header);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now;
  return Number.isFinite(wait) && wait >= 0 ? Math.min(wait, 3_600_000) : undefined;
}
