import {
  CLOSE_BRACE,
  COMMA,
  FIELD_COUNT,
  FIELD_PATHS,
  Field,
  Flag,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  ROW_HEADER,
  Row,
  SPACE,
} from "../plugin/index.js";
import { afterString, decode, FAILED, fail, lexer, skipSpace, skipValue, stringEnd, valueAfterKey } from "./json.js";
import { CAPITAL, EVENT_KEYS, ITEMS, type KeyTable, NESTED_KEYS, TWO_SPELLINGS } from "./keys.js";

/** The fields of the event itself, and the lengths of their keys. */
const TOP_FIELDS = FIELD_PATHS.map((path, field) => ({ path, field, keyLength: path.length })).filter(
  ({ path }) => !path.includes("."),
);

/**
 * Fills rows of the field table in one pass over an event's bytes: strict JSON, no strings and no objects per event.
 *
 * Of equal keys in one object the last wins, as in `JSON.parse`, and the members of the earlier value are dropped. Audit's
 * camelCase name of a field takes precedence over Go's name (`auditID` over `AuditID`), in either order.
 */
export class Scanner {
  /** First byte of the event's `items` array, if it has one at its top level; otherwise 0. */
  items = 0;
  private bytes: Buffer = Buffer.alloc(0);
  private table: Uint32Array = new Uint32Array(0);
  private base = 0;
  /** For each field that is present, 1 if its key was the name in Go. */
  private readonly capital = new Uint8Array(FIELD_COUNT + 2);
  private capitals = 0;
  private keyEnd = 0;
  private reserved = false;

  /**
   * Scans the object at `at` (an opening brace) into the row at word `base` of `table`, whose words must be zero. Fills start, end,
   * flags and the fields. Returns the offset after the object, or FAILED; then the caller must clear the row.
   */
  scan(bytes: Buffer, at: number, table: Uint32Array, base: number): number {
    this.bytes = bytes;
    this.table = table;
    this.base = base + ROW_HEADER;
    this.items = 0;
    this.capitals = 0;
    this.reserved = false;
    lexer.deep = false;
    const end = this.members(EVENT_KEYS, at);
    if (end < 0) return FAILED;
    table[base + Row.start] = at;
    table[base + Row.end] = end;
    if (this.capitals > 0 && this.isKubeSphere()) table[base + Row.flags] |= Flag.kubesphere;
    if (lexer.deep) table[base + Row.flags] |= Flag.deep;
    if (this.reserved) table[base + Row.flags] |= Flag.reserved;
    if (!this.isRegular(end - at)) table[base + Row.flags] |= Flag.irregular;
    return end;
  }

  /** True if the event scanned last is an EventList. */
  isList(): boolean {
    if (this.items === 0 || this.bytes[this.items] !== OPEN_BRACKET) return false;
    const kind = this.base + 2 * Field.kind;
    const start = this.table[kind];
    return (
      start === 0 || (this.bytes[start] === QUOTE && decode(this.bytes, start, this.table[kind + 1]) === "EventList")
    );
  }

  /** Scans the members of the object at `i`, and one level deeper those of fields with members of their own. */
  private members(keys: KeyTable, i: number): number {
    const { bytes } = this;
    i++;
    if (bytes[i] <= SPACE) i = skipSpace(bytes, i);
    if (bytes[i] === CLOSE_BRACE) return i + 1;
    let key = -1;
    for (;;) {
      if (bytes[i] !== QUOTE) return fail(i);
      key = this.key(keys, i + 1, key);
      if (this.keyEnd < 0) return FAILED;
      i = valueAfterKey(bytes, this.keyEnd);
      if (i < 0) return FAILED;
      i = key < 0 ? skipValue(bytes, i) : this.value(keys.codes[key], i);
      if (i < 0) return FAILED;

      let byte = bytes[i];
      if (byte <= SPACE) {
        i = skipSpace(bytes, i);
        byte = bytes[i];
      }
      i++;
      if (byte === CLOSE_BRACE) return i;
      if (byte !== COMMA) return fail(i - 1);
      if (bytes[i] <= SPACE) i = skipSpace(bytes, i);
    }
  }

  /** The index of the key whose content begins at `start`, or -1 if it is unknown. Sets `keyEnd`, to FAILED if the key is malformed. */
  private key(keys: KeyTable, start: number, previous: number): number {
    const { bytes } = this;
    const guess = keys.guess(bytes, start, previous);
    if (guess >= 0) {
      this.keyEnd = start + keys.names[guess].length;
      return guess;
    }
    const end = stringEnd(bytes, start);
    this.keyEnd = end;
    if (end < 0) return -1;
    const escaped = lexer.escapeAt >= start && lexer.escapeAt < end;
    const index = escaped ? keys.findEscaped(bytes, start, end) : keys.find(bytes, start, end);
    if (index >= 0) keys.learn(previous, index);
    return index;
  }

  /** Puts the value at `start` of a known member into the row; returns the offset after it. */
  private value(code: number, start: number): number {
    const { bytes, table, capital } = this;
    const field = code & ~CAPITAL;
    if (field >= FIELD_COUNT) return this.special(code, start);
    const word = this.base + 2 * field;
    const isGoName = code >>> 7;
    if (isGoName === 1) {
      if (table[word] !== 0 && capital[field] === 0) return skipValue(bytes, start);
      this.capitals++;
    }
    let end: number;
    if (NESTED_KEYS[field] !== undefined) end = this.nested(field, start);
    else if (bytes[start] === QUOTE) end = afterString(bytes, start);
    else end = skipValue(bytes, start);
    capital[field] = isGoName;
    table[word] = start;
    table[word + 1] = end;
    return end;
  }

  /** Scans the value of a field that has members in the field table. The members of an earlier value are dropped. */
  private nested(field: number, start: number): number {
    const keys = NESTED_KEYS[field] as KeyTable;
    const word = this.base + 2 * field;
    if (this.table[word] !== 0) this.table.fill(0, this.base + 2 * keys.first, this.base + 2 * keys.last);
    return this.bytes[start] === OPEN_BRACE ? this.members(keys, start) : skipValue(this.bytes, start);
  }

  /** Handles a member that is known but not a field. */
  private special(code: number, start: number): number {
    const field = code & ~CAPITAL;
    if (field !== ITEMS) this.reserved = true;
    else if (code < CAPITAL || this.items === 0 || this.capital[ITEMS] === 1) {
      this.items = start;
      this.capital[ITEMS] = code >>> 7;
    }
    return skipValue(this.bytes, start);
  }

  /** False if the event has bytes besides its fields: then it is {@link Flag.irregular}. */
  private isRegular(length: number): boolean {
    if (this.capitals > 0) return false;
    let expected = 1;
    for (const { field, keyLength } of TOP_FIELDS) {
      const word = this.base + 2 * field;
      // "key":value and a comma or the closing brace.
      if (this.table[word] !== 0) expected += keyLength + 4 + this.table[word + 1] - this.table[word];
    }
    return expected === length;
  }

  /** True if no field has audit's own name of it. */
  private isKubeSphere(): boolean {
    return TWO_SPELLINGS.every((field) => this.table[this.base + 2 * field] === 0 || this.capital[field] === 1);
  }
}
