/**
 * Finds all occurrences of many texts ("needles") in one pass over a run of bytes (Teddy, the algorithm of Hyperscan and ripgrep).
 * Each needle has an anchor of two bytes, and belongs to one of eight groups. Tables, indexed by each half of a byte, say for which
 * groups the byte can be the first or the second of an anchor. Where both agree on a group, its needles are compared.
 *
 * The layout of a set of needles, as `../teddy.ts` writes it: 4 tables of 16 bytes (low and high half for each anchor byte); for
 * each byte value, the index of the first needle whose anchor begins with it, and the number of such needles, one byte each; then
 * the needles, in words of 4 bytes: up to four bytes of the needle from its anchor on, a mask of the bytes that count, the address
 * of the text, its length, the offset of the anchor in it, its number, and the address of what must not follow (0 if anything may).
 */
import { isSame } from "./bytes";
import { isFollowed } from "./follow";

const BY_BYTE: usize = 64;
const NEEDLES: usize = BY_BYTE + 256 * 2;
const NEEDLE: usize = 28;

/** Where to go on if there was no room for all; otherwise -1. */
export let foundTo: i32 = -1;

let out: usize = 0;
let outEnd: usize = 0;

/**
 * Finds needles that count in the first `to` bytes, after which a line ends, and whose anchor ends at or after `from`. Writes
 * (offset of the needle, its number) for each.
 */
export function find(set: usize, bytes: usize, from: u32, to: u32, found: usize, max: u32): u32 {
  const low0 = v128.load(set);
  const high0 = v128.load(set, 16);
  const low1 = v128.load(set, 32);
  const high1 = v128.load(set, 48);
  const nibble = i8x16.splat(15);
  const end = bytes + to;
  out = found;
  outEnd = found + max * 8;
  let p = bytes + from;
  // Nothing is known about the 16 bytes before, so any byte could have matched.
  let before = i8x16.splat(-1);
  foundTo = -1;
  // The last anchor may end one byte behind.
  while (p < end + 1) {
    const chunk = v128.load(p);
    const low = v128.and(chunk, nibble);
    const high = v128.and(i16x8.shr_u(chunk, 4), nibble);
    const first = v128.and(i8x16.swizzle(low0, low), i8x16.swizzle(high0, high));
    const second = v128.and(i8x16.swizzle(low1, low), i8x16.swizzle(high1, high));
    const groups = v128.and(
      second,
      i8x16.shuffle(before, first, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30),
    );
    if (v128.any_true(groups)) {
      const places = i8x16.bitmask(i8x16.ne(groups, i8x16.splat(0)));
      if (!candidates(set, bytes, p - 1, end, places)) {
        foundTo = <i32>(p - bytes);
        break;
      }
    }
    before = first;
    p += 16;
  }
  return <u32>(out - found) / 8;
}

/** Compares needles at the places, among the 16 bytes from `p` on, where one may be. False if there is no room for what is found. */
function candidates(set: usize, bytes: usize, p: usize, end: usize, places: u32): bool {
  const before = out;
  while (places) {
    const at = p + ctz(places);
    places &= places - 1;
    if (at >= end) break;
    const word = load<u32>(at);
    const first = set + BY_BYTE + <usize>(word & 255) * 2;
    let needle = set + NEEDLES + <usize>load<u8>(first) * NEEDLE;
    const last = needle + <usize>load<u8>(first, 1) * NEEDLE;
    for (; needle < last; needle += NEEDLE) {
      if ((word & load<u32>(needle, 4)) !== load<u32>(needle)) continue;
      const start = at - load<u32>(needle, 16);
      if (start < bytes || !counts(needle, start)) continue;
      if (out === outEnd) {
        out = before;
        return false;
      }
      store<u32>(out, <u32>(start - bytes));
      store<u32>(out, load<u32>(needle, 20), 4);
      out += 8;
    }
  }
  return true;
}

/** Whether a needle is at `p`, and counts there. */
function counts(needle: usize, p: usize): bool {
  const length = load<u32>(needle, 12);
  if (!isSame(p, load<u32>(needle, 8), length)) return false;
  const follow = load<u32>(needle, 24);
  return !follow || !isFollowed(p + length, follow);
}
