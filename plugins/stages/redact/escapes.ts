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

/** Whether a string's content [start, end) begins like JSON that contains a string: brackets, white space, then `\"`. */
export function beginsJson(bytes: Uint8Array, start: number, end: number): boolean {
  const at = openingEnd(bytes, start, end);
  return at > start && at < end && opensJson(bytes, at);
}

/** Skips brackets and white space, which may precede the first string of JSON: the first other byte from `at` on. */
export function openingEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    if (IS_OPENING[bytes[at]] === 1) at++;
    else if (bytes[at] === BACKSLASH && IS_ESCAPED_SPACE[bytes[at + 1]] === 1) at += 2;
    else break;
  }
  return at;
}

/** Whether there is an escaped quote at `at`, which begins a string of JSON within a string. */
export function opensJson(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === BACKSLASH && bytes[at + 1] === QUOTE;
}

/** Whether there are only brackets and white space between a string's opening quote and `at`. */
export function opensString(bytes: Uint8Array, at: number): boolean {
  for (;;) {
    if (IS_OPENING[bytes[at - 1]] === 1) at--;
    else if (IS_ESCAPED_SPACE[bytes[at - 1]] === 1 && bytes[at - 2] === BACKSLASH) at -= 2;
    else return bytes[at - 1] === QUOTE;
  }
}

/** Bytes that may precede the first string of JSON; those of the second table follow a backslash. */
const IS_OPENING = tableOf(" {[");
const IS_ESCAPED_SPACE = tableOf("nrt");

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of Buffer.from(characters)) table[byte] = 1;
  return table;
}

/** Whether escapes in a string [start, end) could hide a pattern. */
export function hidesText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if (bytes[at] !== BACKSLASH) continue;
    if (isForeignEscape(bytes, at)) return true;
    at++;
  }
  return false;
}

/** Whether the escape at `at` is `\/`, or a `\u` that Go does not write: it may stand for any character of a pattern. */
function isForeignEscape(bytes: Uint8Array, at: number): boolean {
  const next = bytes[at + 1];
  return next === SLASH || (next === LOWER_U && !isGoEscape(bytes, at + 2));
}

/** Whether the four digits at `at` stand for `<`, `>`, `&`, U+2028, U+2029 or a control character, which Go's encoder escapes. */
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
