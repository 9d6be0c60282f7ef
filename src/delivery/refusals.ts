/** Watches what share of a sink's events is refused: a mapping gone wrong must not empty the log into dead letters. */
export class Refusals {
  /** So many of the last events are looked at. */
  readonly window = 1000;
  #recent: { events: number; refused: number }[] = [];
  #events = 0;
  #refused = 0;

  /**
   * Notes a request's outcome; false if more than half of the last {@link window} events were refused, and more than
   * half of this request's: one that is mostly taken is on the way back.
   */
  note(events: number, refused: number): boolean {
    this.#recent.push({ events, refused });
    this.#events += events;
    this.#refused += refused;
    while (this.#events - this.#recent[0].events >= this.window) {
      const oldest = this.#recent.shift()!;
      this.#events -= oldest.events;
      this.#refused -= oldest.refused;
    }
    return this.#events < this.window || this.#refused * 2 <= this.#events || refused * 2 <= events;
  }
}
