/** A request that was answered in less than this part of the time that was too long may be so many times as large the next time. */
const QUICK = { part: 1 / 4, growth: 2 };
/** One that took longer, but was answered. */
const GROWTH = 17 / 16;
/** What a request that is full may lack to its bound, beside what its last event takes, in bytes: events are estimated. */
const SLACK = 1024;

/**
 * How large requests may be, found by trying: over a slow link a large one does not arrive in time. Half of what was too
 * late, down to one event; more again when requests that fill it are answered, at most `max`. From `max` only the second that is
 * late in a row makes it less: what arrived, and was answered too slowly, is repeated as it was, which the far end may know again.
 */
export class SizeLimit {
  /** Bytes of a request before compression. */
  current: number;
  /** How long the last request took that was late, in ms. */
  #tooLong = Number.POSITIVE_INFINITY;
  #wasLate = false;
  /** When an answer, or the lack of one, told something new; what was sent before tells no more. */
  #since = Number.NEGATIVE_INFINITY;

  constructor(private readonly max: number) {
    this.current = max;
  }

  /** False for a request that is to be halved before it is sent: a full one may be somewhat larger than was estimated. */
  admits(bytes: number): boolean {
    return this.current === this.max || bytes < 2 * this.current;
  }

  /** A request of so many bytes, sent at `sent`, ended at `now`, in ms. True if the limit is another. */
  ended(bytes: number, sent: number, now: number, outcome: "taken" | "late" | "pushedBack" | "other"): boolean {
    if ((outcome !== "taken" && outcome !== "late") || sent < this.#since) return false;
    const before = this.current;
    if (outcome === "late") this.#late(bytes, now - sent);
    else this.#taken(bytes, now - sent);
    if (outcome === "late" || before !== this.current) this.#since = now;
    return before !== this.current;
  }

  #late(bytes: number, took: number): void {
    if (this.#wasLate || this.current < this.max) this.current = Math.min(this.current, bytes) / 2;
    this.#wasLate = true;
    this.#tooLong = took;
  }

  #taken(bytes: number, took: number): void {
    this.#wasLate = false;
    if (this.current === this.max || 2 * bytes + SLACK < this.current) return;
    const growth = took < QUICK.part * this.#tooLong ? QUICK.growth : GROWTH;
    this.current = Math.min(this.max, this.current * growth);
  }
}
