/** A number of places that are taken and given back, in the order of asking and in fair turns. */
export class Slots {
  /** Milliseconds after which a place is given to whoever waits for one. */
  readonly turn: number;
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number, turn = 5000) {
    this.#free = count;
    this.turn = turn;
  }

  /** True if somebody waits for a place. */
  get wanted(): boolean {
    return this.#waiting.size > 0;
  }

  /** Takes a place if one is free. */
  take(): boolean {
    if (this.#free === 0) return false;
    this.#free--;
    return true;
  }

  /** Gives a place back. All that wait are asked in their order, since the first may no longer need it. */
  give(): void {
    this.#free++;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const ask of waiting) ask();
  }

  /** Calls once when a place may be free; the same function waits once. */
  whenFree(ask: () => void): void {
    this.#waiting.add(ask);
  }
}
