import {
  CLOSE_BRACKET,
  COMMA,
  Flag,
  type InvalidReason,
  NEWLINE,
  OPEN_BRACE,
  OPEN_BRACKET,
  RETURN,
} from "../plugin/index.js";
import { lexer, skipSpace, skipValue } from "./json.js";
import type { Rows } from "./rows.js";
import { findWholeEvent } from "./salvage.js";
import { Scanner } from "./scanner.js";
import type { WasmMemory } from "./wasm-memory.js";

/** Most items of one EventList line; a line with more is invalid as a whole. */
export const MAX_ITEMS = 16_384;

/** Turns each line into rows: an event, the items of an EventList, an invalid line, or nothing if it is blank. */
export class LineScanner {
  private readonly scanner = new Scanner();
  /** Items of the current line so far. */
  private items = 0;

  /**
   * @param rows where rows are added
   * @param maxRows no line is begun when there are this many rows
   * @param arrays whether an array on a line is read as its items, too
   * @param memory the WebAssembly memory of the rows, if they have one: usual lines in its buffer are scanned by its module
   */
  constructor(
    private readonly rows: Rows,
    private readonly maxRows: number,
    private readonly arrays: boolean,
    private readonly memory?: WasmMemory,
  ) {}

  /**
   * Scans the lines in [0, length); `bytes` must have a newline at `length - 1` or at `length`. Returns how many bytes became rows:
   * fewer than `length` if `maxRows` was reached. Only a first line that is a list may exceed `maxRows`.
   */
  scan(bytes: Buffer, length: number): number {
    const { rows } = this;
    const memory = this.memory?.holds(bytes) ? this.memory : undefined;
    let at = 0;
    while (at < length) {
      if (memory && rows.atHome) {
        rows.count += memory.scan(at, length, rows.count, this.maxRows - rows.count);
        at = memory.position;
        if (at >= length) break;
      }
      const before = rows.count;
      if (before >= this.maxRows) return at;
      const next = this.line(bytes, at);
      if (rows.count > this.maxRows && before > 0) {
        rows.truncate(before);
        return at;
      }
      at = next;
    }
    return length;
  }

  /** Scans the line at `at`; returns where the next one begins. */
  private line(bytes: Buffer, at: number): number {
    const line = skipLeadIn(bytes, at);
    const start = bytes[line] === OPEN_BRACE ? line : skipSpace(bytes, line);
    if (bytes[start] === NEWLINE) return start + 1;

    const end = bytes[start] === OPEN_BRACE ? this.event(bytes, start) : skipValue(bytes, start);
    if (end < 0) return this.broken(bytes, line, lexer.reason);
    const newline = skipSpace(bytes, end);
    if (bytes[newline] !== NEWLINE) {
      if (bytes[start] === OPEN_BRACE) this.rows.truncate(this.rows.count - 1);
      return this.broken(bytes, line, "syntax");
    }
    const lineEnd = withoutReturn(bytes, newline);
    if (bytes[start] === OPEN_BRACE) {
      if (this.scanner.isList()) {
        const list = this.scanner.items;
        this.rows.truncate(this.rows.count - 1);
        this.list(bytes, list, line, lineEnd, false);
      } else this.rows.place(line, lineEnd);
    } else if (this.arrays && bytes[start] === OPEN_BRACKET) this.list(bytes, start, line, lineEnd, true);
    else this.invalid("not-an-object", line, lineEnd);
    return newline + 1;
  }

  /** Adds a row for the object at `start`; returns the offset after it, or FAILED without adding a row. */
  private event(bytes: Buffer, start: number): number {
    const { rows } = this;
    const base = rows.add();
    const end = this.scanner.scan(bytes, start, rows.table, base);
    if (end < 0) rows.truncate(rows.count - 1);
    return end;
  }

  /** Handles a line that is not JSON; returns where the next one begins. */
  private broken(bytes: Buffer, line: number, reason: InvalidReason): number {
    const newline = bytes.indexOf(NEWLINE, line);
    const lineEnd = withoutReturn(bytes, newline);
    const whole = reason === "syntax" ? findWholeEvent(bytes, line, lineEnd) : -1;
    if (whole < 0) this.invalid(reason, line, lineEnd);
    else {
      this.rows.addInvalid("torn", line, whole);
      this.rows.place(line, lineEnd);
      this.event(bytes, whole);
      this.rows.place(whole, lineEnd);
      this.rows.addFlags(Flag.salvaged);
    }
    return newline + 1;
  }

  private invalid(reason: InvalidReason, line: number, lineEnd: number): void {
    this.rows.addInvalid(reason, line, lineEnd);
    this.rows.place(line, lineEnd);
  }

  /** Adds the items of the (valid) array at `array`, or one invalid row if there are too many. */
  private list(bytes: Buffer, array: number, line: number, lineEnd: number, lists: boolean): void {
    const before = this.rows.count;
    this.items = 0;
    if (this.addItems(bytes, array, line, lineEnd, lists)) return;
    this.rows.truncate(before);
    this.invalid("too-many-items", line, lineEnd);
  }

  /** False if there are too many. With `lists`, an item that is an EventList is replaced by its own items. */
  private addItems(bytes: Buffer, array: number, line: number, lineEnd: number, lists: boolean): boolean {
    let at = skipSpace(bytes, array + 1);
    if (bytes[at] === CLOSE_BRACKET) return true;
    for (;;) {
      const isObject = bytes[at] === OPEN_BRACE;
      const end = isObject ? this.event(bytes, at) : skipValue(bytes, at);
      if (isObject && lists && this.scanner.isList()) {
        const list = this.scanner.items;
        this.rows.truncate(this.rows.count - 1);
        if (!this.addItems(bytes, list, line, lineEnd, false)) return false;
      } else {
        if (++this.items > MAX_ITEMS) return false;
        if (!isObject) this.rows.addInvalid("not-an-object", at, end);
        this.rows.place(line, lineEnd, this.items);
      }
      at = skipSpace(bytes, end);
      if (bytes[at] !== COMMA) return true;
      at = skipSpace(bytes, at + 1);
    }
  }
}

/** Skips what precedes a line without being part of it: the NULs of a hole in the file, a byte order mark. */
function skipLeadIn(bytes: Uint8Array, at: number): number {
  while (bytes[at] === 0) at++;
  const marked = bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf;
  return marked ? at + 3 : at;
}

/** The end of the line whose newline is at `newline`, without its carriage return. */
function withoutReturn(bytes: Uint8Array, newline: number): number {
  return bytes[newline - 1] === RETURN ? newline - 1 : newline;
}
