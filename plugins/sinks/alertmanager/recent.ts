/** The last `limit` keys that were added: memory does not grow with what comes. */
export class RecentKeys {
  readonly #keys = new Set<string>();
  readonly #limit: number;

  constructor(limit: number, keys: readonly string[] = []) {
    this.#limit = limit;
    for (const key of keys) this.add(key);
  }

  /** Adds a key; false if it is there already. */
  add(key: string): boolean {
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    if (this.#keys.size > this.#limit) this.#keys.delete(this.#keys.values().next().value!);
    return true;
  }

  /** The last `count` keys, oldest first. */
  last(count: number): string[] {
    return [...this.#keys].slice(-count);
  }
}
