import { type EventView, Field } from "../../../src/plugin/index.js";

/** A request, the same in each of its stages (DESIGN §5, "An alert counts a request once"); auditID is the client's to choose. */
export const requestOf = (event: EventView): string => JSON.stringify(REQUEST_FIELDS.map((field) => event.text(field)));

const REQUEST_FIELDS = [
  Field.auditID,
  Field.requestReceivedTimestamp,
  Field.userUsername,
  Field.verb,
  Field.requestURI,
];

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
