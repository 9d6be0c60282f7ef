import { FIELD_COUNT, Field, Flag, ROW_HEADER, Row } from "../plugin/index.js";
import {
  CLOSE_BRACE,
  COMMA,
  decode,
  FAILED,
  fail,
  lexer,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
  skipSpace,
  skipValue,
  stringEnd,
  valueAfterKey,
} from "./json.js";
import { CAPITAL, EVENT_KEYS, ITEMS, type KeyTable, NESTED_KEYS, TWO_SPELLINGS } from "./keys.js";

/**
 * Fills rows of the field table: one pass over an event's bytes, strict JSON, no strings and no objects per event.
 *
 * Of equal keys in one object the last wins, as for `JSON.parse`, and takes the members of the former with it; audit's
 * camelCase name of a field wins over Go's name (`auditID` over `AuditID`) wherever they stand.
 */
export class Scanner {
  /** First byte of the event's `items` array if the event has one at its top level, else 0. */
  items = 0;
  private bytes: Buffer = Buffer.alloc(0);
  private table: Uint32Array = new Uint32Array(0);
  private base = 0;
  /** By field that is present: 1 if its key was Go's name. */
  private readonly capital = new Uint8Array(FIELD_COUNT + 2);
  private capitals = 0;
  private reserved = false;

  /**
   * Scans the object at `at` (an opening brace) into the row at word `base` of `table`, whose words are zero. Returns the
   * offset after it, or FAILED; then the row is to be cleared again. Fills start, end, flags and the fields.
   */
  scan(bytes: Buffer, at: number, table: Uint32Array, base: number): number {
    this.bytes = bytes;
    this.table = table;
    this.base = base + ROW_HEADER;
    this.items = 0;
    this.capitals = 0;
    this.reserved = false;
    const end = this.members(EVENT_KEYS, at);
    if (end < 0) return FAILED;
    table[base + Row.start] = at;
    table[base + Row.end] = end;
    if (this.capitals > 0 && this.isKubeSphere()) table[base + Row.flags] |= Flag.kubesphere;
    if (this.reserved) table[base + Row.flags] |= Flag.reserved;
    return end;
  }

  /** True if the event that was scanned last is an EventList. */
  isList(): boolean {
    if (this.items === 0 || this.bytes[this.items] !== OPEN_BRACKET) return false;
    const kind = this.base + 2 * Field.kind;
    const start = this.table[kind];
    return (
      start === 0 || (this.bytes[start] === QUOTE && decode(this.bytes, start, this.table[kind + 1]) === "EventList")
    );
  }

  /** Goes through the members of the object at `i`; at most one level deeper for the fields that have members. */
  private members(keys: KeyTable, i: number): number {
    const { bytes, table, base } = this;
    i++;
    if (bytes[i] <= SPACE) i = skipSpace(bytes, i);
    if (bytes[i] === CLOSE_BRACE) return i + 1;
    let previous = -1;
    for (;;) {
      if (bytes[i] !== QUOTE) return fail(i);
      const key = i + 1;
      let keyEnd = 0;
      let index = keys.guess(bytes, key, previous);
      if (index >= 0) keyEnd = key + keys.names[index].length;
      else {
        keyEnd = stringEnd(bytes, key);
        if (keyEnd < 0) return FAILED;
        index =
          lexer.escapeAt >= key && lexer.escapeAt < keyEnd
            ? keys.findEscaped(bytes, key, keyEnd)
            : keys.find(bytes, key, keyEnd);
        if (index >= 0) keys.learn(previous, index);
      }
      const code = index < 0 ? -1 : keys.codes[index];
      previous = index;
      const start = valueAfterKey(bytes, keyEnd);
      if (start < 0) return FAILED;

      const field = code & ~CAPITAL;
      if (code < 0) i = skipValue(bytes, start);
      else if (field >= FIELD_COUNT) i = this.special(code, start);
      else if (code >= CAPITAL && table[base + 2 * field] !== 0 && this.capital[field] === 0)
        i = skipValue(bytes, start);
      else {
        if (NESTED_KEYS[field] !== undefined) i = this.nested(field, start);
        else if (bytes[start] === QUOTE) i = stringEnd(bytes, start + 1) + 1;
        else i = skipValue(bytes, start);
        this.capital[field] = code >>> 7;
        if (code >= CAPITAL) this.capitals++;
        table[base + 2 * field] = start;
        table[base + 2 * field + 1] = i;
      }
      if (i <= 0) return FAILED;

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

  /** The value of a field that has members in the field table: those of an earlier value of it go. */
  private nested(field: number, start: number): number {
    const keys = NESTED_KEYS[field] as KeyTable;
    const word = this.base + 2 * field;
    if (this.table[word] !== 0) this.table.fill(0, this.base + 2 * keys.first, this.base + 2 * keys.last);
    return this.bytes[start] === OPEN_BRACE ? this.members(keys, start) : skipValue(this.bytes, start);
  }

  /** A member that is known but no field. */
  private special(code: number, start: number): number {
    const field = code & ~CAPITAL;
    if (field !== ITEMS) this.reserved = true;
    else if (code < CAPITAL || this.items === 0 || this.capital[ITEMS] === 1) {
      this.items = start;
      this.capital[ITEMS] = code >>> 7;
    }
    return skipValue(this.bytes, start);
  }

  /** True if no field stands under audit's own name of it. */
  private isKubeSphere(): boolean {
    return TWO_SPELLINGS.every((field) => this.table[this.base + 2 * field] === 0 || this.capital[field] === 1);
  }
}
