import { FIELD_COUNT, FIELD_PATHS, Field, QUOTE } from "../plugin/index.js";
import { decodeContent } from "./json.js";

/** `items` of an EventList: found by the scanner, not in the field table. */
export const ITEMS = FIELD_COUNT;
/** A member named as one that we add to a document ourselves. */
export const RESERVED = FIELD_COUNT + 1;

/** Added to a field's number where the key is Go's name of it (`AuditID`), as KubeSphere writes it. */
export const CAPITAL = 0x80;

/** Longest known key with every letter written as `\u0000`. */
const MAX_ESCAPED_KEY = 256;

/** Names in Go that are not the camelCase name with a capital. */
const GO_NAMES: Readonly<Record<string, string>> = { uid: "UID", apiGroup: "APIGroup", apiVersion: "APIVersion" };

/** Keys with one spelling: those of TypeMeta, and KubeSphere's own. */
const ONE_SPELLING = new Set([
  Field.kind,
  Field.apiVersion,
  Field.workspace,
  Field.devops,
  Field.cluster,
  Field.message,
]);

/**
 * The known keys of one object. Each name has an index; what it means is its code: a field's number, with
 * {@link CAPITAL} where the name is Go's.
 */
export class KeyTable {
  /** The lowest and one past the highest field in here. */
  readonly first: number;
  readonly last: number;
  /** By index. */
  readonly codes: Uint8Array;
  readonly names: readonly Buffer[];
  /** By {@link slot}: index of the only name that can be there, plus 1. */
  private readonly slots: Uint8Array;
  private readonly factor: number;
  /** By index plus 1: index of the name that followed it last time. A writer's order is nearly always the same. */
  private readonly successors: Uint8Array;

  constructor(keys: ReadonlyMap<string, number>) {
    this.names = [...keys.keys()].map((name) => Buffer.from(name));
    this.codes = Uint8Array.from(keys.values());
    this.successors = new Uint8Array(this.names.length + 1);
    const fields = [...keys.values()].map((code) => code & ~CAPITAL).filter((field) => field < FIELD_COUNT);
    this.first = Math.min(...fields);
    this.last = Math.max(...fields) + 1;
    [this.factor, this.slots] = perfectHash(this.names);
  }

  /** The index of the key whose content begins at `start` if it is the one that follows `previous` (-1: none), or -1. */
  guess(bytes: Uint8Array, start: number, previous: number): number {
    const index = this.successors[previous + 1];
    const name = this.names[index];
    const { length } = name;
    for (let i = 0; i < length; i++) if (name[i] !== bytes[start + i]) return -1;
    return bytes[start + length] === QUOTE ? index : -1;
  }

  /** Remembers that `index` followed `previous`. */
  learn(previous: number, index: number): void {
    this.successors[previous + 1] = index;
  }

  /** The index of the key at [start, end), or -1. The key holds no escapes. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (length === 0) return -1;
    const index = this.slots[slot(length, bytes[start], bytes[end - 1], this.factor)] - 1;
    if (index < 0) return -1;
    const name = this.names[index];
    if (name.length !== length) return -1;
    for (let i = 0; i < length; i++) if (name[i] !== bytes[start + i]) return -1;
    return index;
  }

  /** The same for a key that may hold escapes. */
  findEscaped(bytes: Buffer, start: number, end: number): number {
    if (end - start > MAX_ESCAPED_KEY) return -1;
    const key = Buffer.from(decodeContent(bytes, start, end));
    return this.find(key, 0, key.length);
  }
}

function slot(length: number, first: number, last: number, factor: number): number {
  return (Math.imul((length << 16) | (first << 8) | last, factor) >>> 24) & 0xff;
}

/** Looks for a factor under which no two names share a slot. */
function perfectHash(names: readonly Buffer[]): [factor: number, slots: Uint8Array] {
  for (let factor = 0x9e3779b1; ; factor += 2) {
    const slots = new Uint8Array(256);
    const free = names.every((name, index) => {
      const at = slot(name.length, name[0], name[name.length - 1], factor);
      const taken = slots[at] !== 0;
      slots[at] = index + 1;
      return !taken;
    });
    if (free) return [factor, slots];
  }
}

/** The keys of the fields whose path is `prefix` and one name. */
function keysBelow(prefix: string): Map<string, number> {
  const keys = new Map<string, number>();
  for (const [field, path] of FIELD_PATHS.entries()) {
    const name = path.slice(prefix.length);
    if (!path.startsWith(prefix) || name.includes(".")) continue;
    keys.set(name, field);
    if (!ONE_SPELLING.has(field)) keys.set(GO_NAMES[name] ?? name[0].toUpperCase() + name.slice(1), field | CAPITAL);
  }
  return keys;
}

/** Keys of the event itself. */
export const EVENT_KEYS = new KeyTable(
  keysBelow("")
    .set("items", ITEMS)
    .set("Items", ITEMS | CAPITAL)
    .set("@timestamp", RESERVED)
    .set("auditship", RESERVED),
);

/** By field: the keys of the object in it, for the fields that have their members in the field table. */
export const NESTED_KEYS: readonly (KeyTable | undefined)[] = FIELD_PATHS.map((path) =>
  FIELD_PATHS.some((other) => other.startsWith(`${path}.`)) ? new KeyTable(keysBelow(`${path}.`)) : undefined,
);

/** The fields of the event itself that have two spellings. */
export const TWO_SPELLINGS: readonly number[] = [...keysBelow("").values()].filter(
  (code) => code < CAPITAL && !ONE_SPELLING.has(code),
);
