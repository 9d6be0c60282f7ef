/** The limit is multiplied by it when the far end is overloaded. */
const DECREASE = 0.9;
/** Weight of the newest round against what was before. */
const NEWEST = 0.4;
/** Answers that are so many deviations slower than usual mean overload. */
const DEVIATIONS = 2.5;
/** Averages of equal times differ by less, in ms. */
const ROUNDING = 1e-6;

/**
 * How many requests a sink may have in flight, found by trying: one more after each round of answers that took no longer than
 * usual, if that many were in flight at all; a tenth less after a round that was slower, or in which the far end pushed back
 * ("additive increase, multiplicative decrease"). A round lasts as long as a request usually takes. Principle and factors are
 * those of Vector's adaptive request concurrency.
 */
export class ConcurrencyLimit {
  /** Requests that may be in flight. */
  current = 1;
  /** How long a request usually takes, and how much that varies, in ms; unknown before the first answer. */
  #usual: { mean: number; variance: number } | undefined;
  #roundEnds = 0;
  #round = newRound();

  constructor(private readonly max: number) {}

  /** A request is sent; `inFlight` with it. */
  sent(inFlight: number): void {
    this.#round.reached ||= inFlight >= this.current;
  }

  /**
   * A request that was sent at `sent` ended at `now`, in ms. `taken`: its time counts. `late`, `pushedBack`: the far end,
   * or the way to it, cannot take so much. `other`: it says nothing about load. True if a round is over.
   */
  ended(sent: number, now: number, outcome: "taken" | "late" | "pushedBack" | "other"): boolean {
    const round = this.#round;
    round.pushedBack ||= outcome === "pushedBack" || outcome === "late";
    if (outcome === "taken") {
      round.took += now - sent;
      round.count++;
    }
    const took = round.count > 0 ? round.took / round.count : undefined;
    if (this.#usual ? now < this.#roundEnds : took === undefined) return false;
    if (this.#usual) this.#adapt(took, this.#usual);
    if (took !== undefined) this.#usual = blend(this.#usual, took);
    this.#roundEnds = now + this.#usual!.mean;
    this.#round = newRound();
    return true;
  }

  /** Begins anew, as after an outage. */
  reset(): void {
    this.current = 1;
    this.#usual = undefined;
    this.#round = newRound();
  }

  #adapt(took: number | undefined, { mean, variance }: { mean: number; variance: number }): void {
    const { reached, pushedBack } = this.#round;
    const slow = took !== undefined && took > mean + DEVIATIONS * Math.sqrt(variance) + ROUNDING;
    if (pushedBack || slow) this.current = Math.max(1, Math.floor(this.current * DECREASE));
    else if (reached && took !== undefined && took <= mean + ROUNDING)
      this.current = Math.min(this.max, this.current + 1);
  }
}

/** What came back since the limit was last looked at: so many answers, and ms for all of them. */
const newRound = () => ({ took: 0, count: 0, pushedBack: false, reached: false });

/** Mean and variance, weighted towards the newest. */
function blend(usual: { mean: number; variance: number } | undefined, took: number) {
  if (!usual) return { mean: took, variance: 0 };
  const difference = took - usual.mean;
  return {
    mean: usual.mean + NEWEST * difference,
    variance: (1 - NEWEST) * (usual.variance + NEWEST * difference * difference),
  };
}
