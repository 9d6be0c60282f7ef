/** A number of places that are taken and given back; who waits is called in the order of asking. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Takes a place if one is free. */
  take(): boolean {
    if (this.#free === 0) return false;
    this.#free--;
    return true;
  }

  /** Gives a place back, and tells the one who waits longest. */
  give(): void {
    this.#free++;
    this.#waiting.shift()?.();
  }

  /** Calls once when a place may be free. */
  whenFree(then: () => void): void {
    this.#waiting.push(then);
  }
}
