import { hash } from "node:crypto";
import { type EventView, Field } from "../../../src/plugin/index.js";

/**
 * Identifies a request in all of its stages; not by auditID alone, which the client may choose. 96 bits, so that nobody finds two
 * requests with one identity.
 */
export const requestOf = (event: EventView): string => digest(JSON.stringify(FIELDS.map((field) => event.text(field))));

const FIELDS = [Field.auditID, Field.requestReceivedTimestamp, Field.userUsername, Field.verb, Field.requestURI];

export const digest = (text: string): string => hash("sha256", text, "base64url").slice(0, 16);

/** The last keys that were added, `limit` to twice as many: memory does not grow with what comes. */
export class RecentKeys {
  readonly #limit: number;
  #young = new Set<string>();
  #old = new Set<string>();

  constructor(limit: number, keys: readonly string[] = []) {
    this.#limit = limit;
    for (const key of keys) this.add(key);
  }

  /** Adds a key; false if it is there already. */
  add(key: string): boolean {
    if (this.#young.has(key) || this.#old.has(key)) return false;
    this.#young.add(key);
    if (this.#young.size < this.#limit) return true;
    this.#old = this.#young;
    this.#young = new Set();
    return true;
  }

  /** The last `count` keys, oldest first. */
  last(count: number): string[] {
    return [...this.#old, ...this.#young].slice(-count);
  }
}
