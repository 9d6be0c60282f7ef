import { BACKSLASH, NINE, QUOTE, SLASH, ZERO } from "../../../src/plugin/index.js";

/** What escapes in JSON strings may hide from a search of the bytes. */

const LOWER_C = 0x63;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
const ONE = 0x31;
const TWO = 0x32;
const THREE = 0x33;
const SIX = 0x36;
const EIGHT = 0x38;

/** Whether a string's content [start, end) begins as JSON that holds a string does: brackets, white space, `\"`. */
export function beginsJson(bytes: Uint8Array, start: number, end: number): boolean {
  const at = openingEnd(bytes, start, end);
  return at > start && at < end && opensJson(bytes, at);
}

/** The first byte from `at` on that is neither a bracket nor white space, as they may stand before the first string of JSON. */
export function openingEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    if (IS_OPENING[bytes[at]] === 1) at++;
    else if (bytes[at] === BACKSLASH && IS_ESCAPED_SPACE[bytes[at + 1]] === 1) at += 2;
    else break;
  }
  return at;
}

/** Whether an escaped quote stands at `at`: a string of JSON in a string. */
export function opensJson(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === BACKSLASH && bytes[at + 1] === QUOTE;
}

/** Whether between the opening quote of a string and `at` there are brackets and white space only. */
export function opensString(bytes: Uint8Array, at: number): boolean {
  for (;;) {
    if (IS_OPENING[bytes[at - 1]] === 1) at--;
    else if (IS_ESCAPED_SPACE[bytes[at - 1]] === 1 && bytes[at - 2] === BACKSLASH) at -= 2;
    else return bytes[at - 1] === QUOTE;
  }
}

/** Bytes that may stand before the first string of JSON; those in the second table behind a backslash. */
const IS_OPENING = tableOf(" {[");
const IS_ESCAPED_SPACE = tableOf("nrt");

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of Buffer.from(characters)) table[byte] = 1;
  return table;
}

/** Whether a string [start, end) with escapes could hide a pattern. */
export function hidesText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if (bytes[at] !== BACKSLASH) continue;
    if (isForeignEscape(bytes, at)) return true;
    at++;
  }
  return false;
}

/** Whether the escape at `at` is `\/` or a `\u` that Go does not write: it may stand for any character of a pattern. */
function isForeignEscape(bytes: Uint8Array, at: number): boolean {
  const next = bytes[at + 1];
  return next === SLASH || (next === LOWER_U && !isGoEscape(bytes, at + 2));
}

/** The four digits at `at` are those of `<`, `>`, `&`, U+2028, U+2029 or a control character: what Go's encoder escapes. */
function isGoEscape(bytes: Uint8Array, at: number): boolean {
  const a = bytes[at];
  const b = bytes[at + 1];
  const c = bytes[at + 2];
  const d = bytes[at + 3];
  if (b !== ZERO) return false;
  if (a === TWO) return c === TWO && (d === EIGHT || d === NINE);
  if (a !== ZERO) return false;
  if (c === ZERO || c === ONE) return true;
  return c === TWO ? d === SIX : c === THREE && ((d | 0x20) === LOWER_C || (d | 0x20) === LOWER_E);
}
