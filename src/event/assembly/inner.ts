/** A member of a member of an object (`../../plugin/inner.ts`). */
import { isSame } from "./bytes";
import { COMMA, OPEN_BRACE, QUOTE, skipSpace } from "./json";
import { afterKey, stringEnd, valueEnd } from "./skip";

/**
 * Examines the object at `p`, which ends before `end`, and writes 4 bytes each: the byte after it, where the value begins and where
 * it ends (0 if there is none), and 1 if the inner key occurs elsewhere in the object. False if the object does not end.
 * @param keys address and length of the outer and of the inner key with their quotes, 4 bytes each
 */
export function inner(keys: usize, p: usize, end: usize, out: usize): bool {
  const object = p;
  const outerKey = <usize>load<u32>(keys);
  const outerLength = <usize>load<u32>(keys, 4);
  const innerKey = <usize>load<u32>(keys, 8);
  const innerLength = <usize>load<u32>(keys, 12);
  let start: usize = 0;
  let stop: usize = 0;
  let direct: u32 = 0;
  p = skipSpace(p + 1);
  while (load<u8>(p) === QUOTE) {
    const value = afterKey(stringEnd(p + 1));
    if (load<u8>(value) !== OPEN_BRACE || !isSame(p, outerKey, outerLength)) p = valueEnd(value, end);
    else {
      let last: usize = 0;
      let lastEnd: usize = 0;
      p = skipSpace(value + 1);
      while (load<u8>(p) === QUOTE) {
        const text = afterKey(stringEnd(p + 1));
        const textEnd = valueEnd(text, end);
        if (!textEnd) return false;
        if (isSame(p, innerKey, innerLength)) {
          direct++;
          last = text;
          lastEnd = textEnd;
        }
        p = skipSpace(textEnd);
        if (load<u8>(p) !== COMMA) break;
        p = skipSpace(p + 1);
      }
      p++;
      if (last && load<u8>(last) === QUOTE && lastEnd - last > 2) {
        start = last;
        stop = lastEnd;
      }
    }
    if (!p) return false;
    p = skipSpace(p);
    if (load<u8>(p) !== COMMA) break;
    p = skipSpace(p + 1);
  }
  p++;
  store<u32>(out, <u32>p);
  store<u32>(out, <u32>start, 4);
  store<u32>(out, <u32>stop, 8);
  store<u32>(out, <u32>(occurrences(innerKey, innerLength, object, p) > direct), 12);
  return true;
}

/** How often a text of three bytes or more occurs in [p, end). */
function occurrences(text: usize, length: usize, p: usize, end: usize): u32 {
  const first = i8x16.splat(load<i8>(text));
  const second = i8x16.splat(load<i8>(text, 1));
  const last = i8x16.splat(load<i8>(text + length - 1));
  let count: u32 = 0;
  for (; p + length <= end; p += 16) {
    const seconds = i8x16.eq(v128.load(p, 1), second);
    const lasts = i8x16.eq(v128.load(p + length - 1), last);
    let places = i8x16.bitmask(v128.and(v128.and(i8x16.eq(v128.load(p), first), seconds), lasts));
    while (places) {
      const at = p + ctz(places);
      places &= places - 1;
      if (at + length <= end && isSame(at, text, length)) count++;
    }
  }
  return count;
}
