/**
 * Skips values of a batch's events, which are known to be valid JSON: bytes are examined only for where containers end (as in
 * simdjson: Langdale and Lemire, "Parsing Gigabytes of JSON per Second", section 3.1).
 */
import { CLOSE_BRACE, CLOSE_BRACKET, COMMA, OPEN_BRACE, QUOTE, skipSpace, SPACE } from "./json";

const EVEN: u64 = 0x5555555555555555;

/** The byte after the value at `p` of valid JSON; 0 if it does not end before `end`. */
export function valueEnd(p: usize, end: usize): usize {
  const byte = load<u8>(p);
  if (byte === QUOTE) return stringEnd(p + 1) + 1;
  if ((byte | 0x20) === OPEN_BRACE) return containerEnd(p, end);
  while (true) {
    const next = load<u8>(p);
    if (next === COMMA || next === CLOSE_BRACE || next === CLOSE_BRACKET || next <= SPACE) return p;
    p++;
  }
}

/** The closing quote of the string whose content begins at `p`. */
export function stringEnd(p: usize): usize {
  while (true) {
    const bytes = v128.load(p);
    const bits = i8x16.bitmask(v128.or(i8x16.eq(bytes, i8x16.splat(0x22)), i8x16.eq(bytes, i8x16.splat(0x5c))));
    if (!bits) {
      p += 16;
      continue;
    }
    p += ctz(bits);
    if (load<u8>(p) === QUOTE) return p;
    p += 2;
  }
}

/** The byte after the object or array at `p`; works on 64 bytes at a time. */
function containerEnd(p: usize, end: usize): usize {
  let depth: i64 = 0;
  let isInString: u64 = 0;
  let isEscaped: u64 = 0;
  while (p < end) {
    const first = v128.load(p);
    const second = v128.load(p, 16);
    const third = v128.load(p, 32);
    const fourth = v128.load(p, 48);
    let quotes = placesOf(0x22, 0, first, second, third, fourth);
    let backslashes = placesOf(0x5c, 0, first, second, third, fourth);
    let opens = placesOf(0x7b, 0x20, first, second, third, fourth);
    let closes = placesOf(0x7d, 0x20, first, second, third, fourth);
    if (backslashes | isEscaped) {
      // Quotes after an odd number of backslashes are escaped.
      backslashes &= ~isEscaped;
      const follows = (backslashes << 1) | isEscaped;
      const odd = backslashes & ~EVEN & ~follows;
      const sum = odd + backslashes;
      isEscaped = <u64>(sum < backslashes);
      quotes &= ~((EVEN ^ (sum << 1)) & follows);
    }
    // Each bit becomes the parity of the quotes up to it: set inside strings.
    let strings = quotes;
    strings ^= strings << 1;
    strings ^= strings << 2;
    strings ^= strings << 4;
    strings ^= strings << 8;
    strings ^= strings << 16;
    strings ^= strings << 32;
    strings ^= isInString;
    isInString = <u64>(<i64>strings >> 63);
    opens &= ~strings;
    closes &= ~strings;
    if (depth > <i64>popcnt(closes)) depth += <i64>popcnt(opens) - <i64>popcnt(closes);
    else {
      while (closes) {
        const below = closes & -closes;
        depth--;
        if (depth + <i64>popcnt(opens & (below - 1)) === 0) return p + <usize>ctz(closes) + 1;
        closes ^= below;
      }
      depth += <i64>popcnt(opens);
    }
    p += 64;
  }
  return 0;
}

/** A bit for each of the 64 bytes that equals `byte` once `bits` are set in it: with 0x20, `[` becomes `{`. */
// @ts-expect-error: decorator
@inline
function placesOf(byte: i8, bits: i8, first: v128, second: v128, third: v128, fourth: v128): u64 {
  const byteLanes = i8x16.splat(byte);
  const bitLanes = i8x16.splat(bits);
  return (
    <u64>i8x16.bitmask(i8x16.eq(v128.or(first, bitLanes), byteLanes)) |
    (<u64>i8x16.bitmask(i8x16.eq(v128.or(second, bitLanes), byteLanes)) << 16) |
    (<u64>i8x16.bitmask(i8x16.eq(v128.or(third, bitLanes), byteLanes)) << 32) |
    (<u64>i8x16.bitmask(i8x16.eq(v128.or(fourth, bitLanes), byteLanes)) << 48)
  );
}

/** The first byte of the value of the member whose key has its closing quote at `p`. */
// @ts-expect-error: decorator
@inline
export function afterKey(p: usize): usize {
  return skipSpace(skipSpace(p + 1) + 1);
}
