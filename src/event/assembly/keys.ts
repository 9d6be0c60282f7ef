/**
 * Finds which of many keys the objects in a value have: looks at what stands before each quote that may end a key.
 *
 * A set of keys, as `../key-sets.ts` writes it: 8 bytes that are zero; whether some key holds more than ASCII, 8 bytes; the ASCII
 * bytes that keys hold, a bit each, 16 bytes; 1024 slots of two bytes, by a hash of the last three bytes of a key and its quote:
 * the first key plus one; then keys of 24 bytes: address of the text, with the quote; its length; the next key of the slot plus
 * one; 4 bytes of nothing; 8 bytes that are zero.
 */
import { isSame } from "./bytes";
import { BACKSLASH, COLON, QUOTE, SPACE } from "./json";
import { bytes } from "./scan";

const LETTERS: usize = 16;
const SLOTS: usize = 32;
const KEYS: usize = SLOTS + 2 * 1024;
const KEY: usize = 24;

const SLASH: u8 = 0x2f;
const LETTER_U: u8 = 0x75;

/** Where the next number goes. */
let out: usize = 0;
/** Tells the keys that were found in this value, eight bytes: it is never used up. */
let turn: u64 = 0;

/** Writes the number of each key that is in [from, to) to `found`, two bytes each; how many, -1 if escapes may hide one. */
export function findKeys(set: usize, from: u32, to: u32, found: usize): i32 {
  turn = load<u64>(set) + 1;
  store<u64>(set, turn);
  out = found;
  const start = bytes + from;
  const end = bytes + to;
  // Four times 16 bytes at a time: the processor guesses wrong where a loop over places ends, so there are few such loops.
  for (let p = start; p < end; p += 64) {
    let escapes = escapesAt(p) | (escapesAt(p + 16) << 16) | (escapesAt(p + 32) << 32) | (escapesAt(p + 48) << 48);
    while (escapes) {
      const at = p + <usize>ctz(escapes);
      if (at < end && isHiding(set, at)) return -1;
      escapes &= escapes - 1;
    }
    let ends = endsAt(p) | (endsAt(p + 16) << 16) | (endsAt(p + 32) << 32) | (endsAt(p + 48) << 48);
    while (ends) {
      const at = p + <usize>ctz(ends);
      if (at < end && at >= start + 3) lookUp(set, start, at);
      ends &= ends - 1;
    }
  }
  return <i32>(out - found) / 2;
}

/** A bit for each of 16 bytes that is a backslash. */
// @ts-expect-error: decorator
@inline
function escapesAt(at: usize): u64 {
  return <u64><u32>i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(BACKSLASH)));
}

/** A bit for each of 16 bytes that is a quote and may end a key: a colon or white space is behind it. */
// @ts-expect-error: decorator
@inline
function endsAt(at: usize): u64 {
  const after = v128.load(at, 1);
  const isBehind = v128.or(i8x16.eq(after, i8x16.splat(COLON)), i8x16.le_u(after, i8x16.splat(SPACE)));
  return <u64><u32>i8x16.bitmask(v128.and(i8x16.eq(v128.load(at), i8x16.splat(QUOTE)), isBehind));
}

/** Takes the keys that the quote at `at` may end. */
// @ts-expect-error: decorator
@inline
function lookUp(set: usize, start: usize, at: usize): void {
  const slot = (load<u32>(at - 3) * 0x9e3779b1) >>> 22;
  let next = load<u16>(set + SLOTS + 2 * <usize>slot);
  while (next) {
    const key = set + KEYS + <usize>(next - 1) * KEY;
    const length = <usize>load<u32>(key, 4);
    if (load<u64>(key, 16) !== turn && at + 1 - length >= start && isSame(at + 1 - length, load<u32>(key), length)) {
      store<u64>(key, turn, 16);
      store<u16>(out, <u16>(next - 1));
      out += 2;
    }
    next = <u16>load<u32>(key, 8);
  }
}

/** Whether the backslash at `at` may begin an escape that stands for something in a key. */
function isHiding(set: usize, at: usize): bool {
  const byte = load<u8>(at + 1);
  if (byte === SLASH) return isLetter(set, SLASH);
  if (byte !== LETTER_U) return false;
  let code: u32 = 0;
  for (let i: usize = 2; i < 6; i++) {
    const digit = <u32>load<u8>(at + i);
    code = (code << 4) | ((digit & 15) + (digit > 0x39 ? 9 : 0));
  }
  return code < 0x80 ? isLetter(set, code) : load<u8>(set, 8) !== 0;
}

// @ts-expect-error: decorator
@inline
function isLetter(set: usize, code: u32): bool {
  return ((load<u8>(set + LETTERS + <usize>(code >> 3)) >> <u8>(code & 7)) & 1) !== 0;
}
