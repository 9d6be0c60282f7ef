import { FIELD_COUNT, FIELD_PATHS, Field, QUOTE } from "../plugin/index.js";
import { decodeContent } from "./json.js";

/** `items` of an EventList: the scanner finds it, but it is not in the field table. */
export const ITEMS = FIELD_COUNT;
/** A member with the name of one that we add to a document ourselves. */
export const RESERVED = FIELD_COUNT + 1;

/** Added to a field's number if the key is its name in Go (`AuditID`), as KubeSphere writes it. */
export const CAPITAL = 0x80;

/** Length in bytes of the longest known key with every letter escaped as `\u0000`. */
const MAX_ESCAPED_KEY = 256;

/** Names in Go that are not just the camelCase name with a capital. */
const GO_NAMES: Readonly<Record<string, string>> = { uid: "UID", apiGroup: "APIGroup", apiVersion: "APIVersion" };

/** Fields with only one spelling: those of TypeMeta, and KubeSphere's own. */
const ONE_SPELLING = new Set([
  Field.kind,
  Field.apiVersion,
  Field.workspace,
  Field.devops,
  Field.cluster,
  Field.message,
]);

/**
 * The known keys of one object. Each name has an index, and a code that gives its meaning: a field's number, plus {@link CAPITAL}
 * if it is the name in Go.
 */
export class KeyTable {
  /** The lowest field in the table, and one past the highest. */
  readonly first: number;
  readonly last: number;
  /** By index. */
  readonly codes: Uint8Array;
  readonly names: readonly Buffer[];
  /** By {@link slot}: the index, plus 1, of the only name that can be there. */
  private readonly slots: Uint8Array;
  private readonly factor: number;
  /** By index plus 1: the index of the name that followed it last time. Writers nearly always use the same order. */
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

  /**
   * The index of the key whose content begins at `start`, if it is the one expected after `previous` (-1: at the beginning);
   * otherwise -1.
   */
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

  /** The index of the key at [start, end), or -1. The key must not contain escapes. */
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

  /** The same for a key that may contain escapes. */
  findEscaped(bytes: Buffer, start: number, end: number): number {
    if (end - start > MAX_ESCAPED_KEY) return -1;
    const key = Buffer.from(decodeContent(bytes, start, end));
    return this.find(key, 0, key.length);
  }
}

function slot(length: number, first: number, last: number, factor: number): number {
  return (Math.imul((length << 16) | (first << 8) | last, factor) >>> 24) & 0xff;
}

/** Finds a factor with which no two names share a slot. */
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

/** The keys of the fields whose path is `prefix` followed by one name. */
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

/** For each field whose members are in the field table too, the keys of its object. */
export const NESTED_KEYS: readonly (KeyTable | undefined)[] = FIELD_PATHS.map((path) =>
  FIELD_PATHS.some((other) => other.startsWith(`${path}.`)) ? new KeyTable(keysBelow(`${path}.`)) : undefined,
);

/** The fields of the event itself that have two spellings. */
export const TWO_SPELLINGS: readonly number[] = [...keysBelow("").values()].filter(
  (code) => code < CAPITAL && !ONE_SPELLING.has(code),
);
