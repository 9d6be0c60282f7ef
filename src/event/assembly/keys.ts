/**
 * Finds which of many keys the objects in a value have, by looking at the bytes before each quote that may end a key.
 *
 * The layout of a set of keys, as `../key-sets.ts` writes it: 8 bytes that begin as zero and count the searches; 8 bytes, not zero
 * if some key contains non-ASCII bytes; a bit for each ASCII byte that keys contain, 16 bytes; 1024 slots of two bytes, by a hash
 * of the last three bytes of a key and its quote, each with the first such key plus one; then the keys, 24 bytes each: address of
 * the text with its closing quote; its length; the next key of the same slot plus one; 4 unused bytes; 8 bytes that begin as zero,
 * for the last search that found the key.
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
/** The number of this search, which marks the keys found in it. In 64 bits it never overflows. */
let turn: u64 = 0;

/** Writes the number of each key in [from, to) to `found`, two bytes each. Returns how many, or -1 if escapes may hide one. */
export function findKeys(set: usize, from: u32, to: u32, found: usize): i32 {
  turn = load<u64>(set) + 1;
  store<u64>(set, turn);
  out = found;
  const start = bytes + from;
  const end = bytes + to;
  // 64 bytes per iteration: the processor mispredicts where a loop over places ends, so this keeps such loops few.
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

/** A bit for each of the 16 bytes that is a backslash. */
// @ts-expect-error: decorator
@inline
function escapesAt(at: usize): u64 {
  return <u64><u32>i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(BACKSLASH)));
}

/** A bit for each of the 16 bytes that is a quote and may end a key, because a colon or white space follows. */
// @ts-expect-error: decorator
@inline
function endsAt(at: usize): u64 {
  const after = v128.load(at, 1);
  const isBehind = v128.or(i8x16.eq(after, i8x16.splat(COLON)), i8x16.le_u(after, i8x16.splat(SPACE)));
  return <u64><u32>i8x16.bitmask(v128.and(i8x16.eq(v128.load(at), i8x16.splat(QUOTE)), isBehind));
}

/** Adds the keys that the quote at `at` may end. */
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

/** Whether the backslash at `at` may begin an escape for a character of some key. */
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
