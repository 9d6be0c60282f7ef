/** How much may be taken in at once and over time. */
export class Bounds {
  #held = 0;
  /** Bytes that may come at once; filled at `rate`, up to a second's worth. */
  #allowance: number;
  #filledAt: number;

  /**
   * @param maxHeld most bytes of bodies in memory
   * @param rate bytes per second; undefined: no bound
   * @param now milliseconds
   */
  constructor(
    private readonly maxHeld: number,
    private readonly rate: number | undefined,
    private readonly now: () => number,
  ) {
    this.#allowance = rate ?? 0;
    this.#filledAt = now();
  }

  /** Takes room for bytes of a body; false if there is none at the moment. */
  hold(bytes: number): boolean {
    if (this.#held + bytes > this.maxHeld) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }

  /** False while more has come than `rate` allows: a body may overdraw it, the next one then waits. */
  spend(bytes: number): boolean {
    if (this.rate === undefined) return true;
    const now = this.now();
    this.#allowance = Math.min(this.rate, this.#allowance + ((now - this.#filledAt) / 1000) * this.rate);
    this.#filledAt = now;
    if (this.#allowance <= 0) return false;
    this.#allowance -= bytes;
    return true;
  }
}
