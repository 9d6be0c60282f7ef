/**
 * The WebAssembly version of the scanner (`../scanner.ts`), for lines as a kube-apiserver writes them: fills rows of the field
 * table. It stops before the first line that is anything else: malformed, blank, an EventList, Go's names of keys, a key twice or
 * with an escape, a member named like one of ours. That line is left to the TypeScript scanner, whose results both must match.
 */
import { numberOf } from "./intern";
import {
  afterColon,
  CLOSE_BRACE,
  COMMA,
  NEWLINE,
  OPEN_BRACE,
  prepare,
  QUOTE,
  RETURN,
  skipSpace,
  stringEnd,
  valueEnd,
} from "./json";

prepare();

/*
 * The layout of a key: its length, its field, the index of the table with the keys of its members (0: none), the place of its
 * value's number in the row of numbers plus one (0: it has none); from byte 16 on, its name and the closing quote; from byte 48 on,
 * a mask of the bytes that those take. Tables are filled once.
 */
const KEY: usize = 80;
const NAME: usize = 16;
const MASK: usize = 48;
/** Most keys in a table. Table 0 is the event's own. */
const KEYS: usize = 32;
const TABLE: usize = KEYS * KEY;
const tables: usize = memory.data(8 * 32 * 80, 16);
const lengths: usize = memory.data(8 * 4);

/** Adds a key to a table; returns the address for its name. */
export function addKey(table: u32, length: u32, field: u32, nested: u32, number: u32): usize {
  const count = load<u32>(lengths + table * 4);
  store<u32>(lengths + table * 4, count + 1);
  const key = tables + <usize>table * TABLE + <usize>count * KEY;
  store<u8>(key, <u8>length);
  store<u8>(key, <u8>field, 1);
  store<u8>(key, <u8>nested, 2);
  store<u8>(key, <u8>number, 3);
  memory.fill(key + MASK, 0xff, length + 1);
  return key + NAME;
}

/** `Flag.irregular` */
const IRREGULAR: u32 = 4096;
/** Bytes of a row's header, and of a row. */
const HEADER: usize = 8 * 4;
export let rowBytes: usize = 0;
export let bytes: usize = 0;
let row: usize = 0;
/** Where the numbers of the row's values go, two bytes each. */
let numbers: usize = 0;
export let numbersBytes: usize = 0;

/** The bytes that the event's known members take so far, commas included. */
let regularLength: usize = 0;

/** Where the last call stopped: the offset of a line. */
export let position: u32 = 0;

/** Sets where the batch's bytes are, and the bytes of a row and of its numbers. */
export function begin(batch: usize, rowLength: usize, numbersLength: usize): void {
  bytes = batch;
  rowBytes = rowLength;
  numbersBytes = numbersLength;
}

/** Scans lines in [from, to), at most `max` of them, into `rows` and `rowNumbers`, which must both be zero. Returns how many. */
export function scan(from: u32, to: u32, rows: usize, rowNumbers: usize, max: u32): u32 {
  let at = bytes + from;
  const end = bytes + to;
  let count: u32 = 0;
  row = rows;
  numbers = rowNumbers;
  while (at < end && count < max) {
    const next = line(at);
    if (!next) {
      memory.fill(row, 0, rowBytes);
      memory.fill(numbers, 0, numbersBytes);
      break;
    }
    at = next;
    row += rowBytes;
    numbers += numbersBytes;
    count++;
  }
  position = <u32>(min(at, end) - bytes);
  return count;
}

/** Scans the line at `start`; returns where the next one begins, or 0 if the line is for the TypeScript scanner. */
function line(start: usize): usize {
  if (load<u8>(start) !== OPEN_BRACE) return 0;
  regularLength = 1;
  const end = members(0, start);
  if (!end) return 0;
  const newline = skipSpace(end);
  if (load<u8>(newline) !== NEWLINE) return 0;
  const lineEnd = load<u8>(newline - 1) === RETURN ? newline - 1 : newline;
  store<u32>(row, <u32>(start - bytes));
  store<u32>(row, <u32>(end - bytes), 4);
  if (regularLength !== end - start) store<u32>(row, IRREGULAR, 8);
  store<u32>(row, <u32>(start - bytes), 12);
  store<u32>(row, <u32>(lineEnd - bytes), 16);
  return newline + 1;
}

/** Scans the members of the object at `p`; returns the byte after it. */
function members(table: usize, p: usize): usize {
  const first = tables + table * TABLE;
  const last = first + <usize>load<u32>(lengths + table * 4) * KEY;
  let expected = first;
  p = skipSpace(p + 1);
  if (load<u8>(p) === CLOSE_BRACE) return p + 1;
  while (true) {
    if (load<u8>(p) !== QUOTE) return 0;
    p++;
    let key = find(p, expected, last);
    if (!key) key = find(p, first, expected);
    if (key) {
      expected = key + KEY;
      const start = afterColon(p + load<u8>(key) + 1);
      p = known(key, start);
      if (table === 0) regularLength += load<u8>(key) + 4 + (p - start);
    } else {
      const end = stringEnd(p);
      if (!end || !isForeign(p, end)) return 0;
      p = afterColon(end + 1);
      if (p) p = valueEnd(p);
    }
    if (!p) return 0;
    p = skipSpace(p);
    const next = load<u8>(p);
    p++;
    if (next === CLOSE_BRACE) return p;
    if (next !== COMMA) return 0;
    p = skipSpace(p);
  }
}

/** Puts the value at `start` into the row; returns the byte after it. */
// @ts-expect-error: decorator
@inline
function known(key: usize, start: usize): usize {
  if (!start) return 0;
  const field = row + HEADER + <usize>load<u8>(key, 1) * 8;
  if (load<u32>(field)) return 0;
  const nested = load<u8>(key, 2);
  const end = nested && load<u8>(start) === OPEN_BRACE ? members(nested, start) : valueEnd(start);
  store<u32>(field, <u32>(start - bytes));
  store<u32>(field, <u32>(end - bytes), 4);
  const number = load<u8>(key, 3);
  if (number && end) store<u16>(numbers + <usize>number * 2 - 2, <u16>numberOf(start, end));
  return end;
}

/** The key of [first, last) whose name and closing quote are at `p`; 0 if there is none. */
// @ts-expect-error: decorator
@inline
function find(p: usize, first: usize, last: usize): usize {
  const bytes = v128.load(p);
  for (let key = first; key < last; key += KEY) {
    const other = v128.and(v128.xor(bytes, v128.load(key, NAME)), v128.load(key, MASK));
    if (!v128.any_true(other) && (load<u8>(key) < 16 || isLongName(p, key))) return key;
  }
  return 0;
}

/** Whether the part of a name after its first 16 bytes matches, too. */
function isLongName(p: usize, key: usize): bool {
  const other = v128.and(v128.xor(v128.load(p, 16), v128.load(key, NAME + 16)), v128.load(key, MASK + 16));
  return !v128.any_true(other);
}

/**
 * Whether a key certainly has no meaning for us: it begins with a lower-case letter, has no escape, and is not one that the
 * TypeScript scanner handles.
 */
function isForeign(p: usize, end: usize): bool {
  const first = load<u8>(p);
  if (first < 0x61 || first > 0x7a) return false;
  for (let i = p; i < end; i++) if (load<u8>(i) === 0x5c) return false;
  const length = end - p;
  // "items", "auditship"
  if (length === 5 && load<u32>(p) === 0x6d657469) return false;
  return !(length === 9 && load<u64>(p) === 0x6968737469647561);
}
