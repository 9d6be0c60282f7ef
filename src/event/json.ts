import {
  BACKSLASH,
  CLOSE_BRACE,
  COLON,
  COMMA,
  DOT,
  MINUS,
  OPEN_BRACE,
  OPEN_BRACKET,
  PLUS,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
  ZERO,
} from "../plugin/index.js";

/**
 * JSON (RFC 8259) as bytes: where strings, numbers and whole values end. Accepts exactly what `JSON.parse` accepts, and any byte
 * from 0x80 on inside strings. The length of the array is not checked: the text must be followed by a byte that no token can run
 * over (a line's newline, a NUL, or whatever follows a value in valid JSON).
 */

/** Deepest nesting allowed. */
export const MAX_DEPTH = 1_000_000;

/** {@link lexer} reports deeper nesting than this. */
export const DEEP = 100;

/** Returned instead of an offset if the text is malformed; {@link lexer} says where and why. */
export const FAILED = -1;

/** What the functions below report besides their result. */
export const lexer = {
  /** Offset of the last backslash passed. */
  escapeAt: -1,
  /** Set if a value was nested deeper than {@link DEEP}; the caller resets it before. */
  deep: false,
  /** Where the last failure was found. */
  failedAt: 0,
  reason: "syntax" as "syntax" | "too-deep",
};

/** Records a failure. */
export function fail(at: number, reason: "syntax" | "too-deep" = "syntax"): number {
  lexer.failedAt = at;
  lexer.reason = reason;
  return FAILED;
}

/** 1 for bytes that need no escape in a string. */
export const PLAIN = new Uint8Array(256).fill(1, SPACE);
PLAIN[QUOTE] = 0;
PLAIN[BACKSLASH] = 0;

export const HEX = new Uint8Array(256);
for (const digit of Buffer.from("0123456789abcdefABCDEF")) HEX[digit] = 1;

export const ESCAPED = new Uint8Array(256);
for (const letter of Buffer.from('"\\/bfnrt')) ESCAPED[letter] = 1;

/** The offset of the closing quote of the string whose content begins at `i`. */
export function stringEnd(bytes: Uint8Array, i: number): number {
  for (;;) {
    // Unrolled four times, because most of a scan's time is spent here.
    while (PLAIN[bytes[i]] === 1) {
      if (PLAIN[bytes[++i]] !== 1) break;
      if (PLAIN[bytes[++i]] !== 1) break;
      if (PLAIN[bytes[++i]] !== 1) break;
      i++;
    }
    const byte = bytes[i];
    if (byte === QUOTE) return i;
    if (byte !== BACKSLASH) return fail(i);
    lexer.escapeAt = i;
    if (ESCAPED[bytes[i + 1]] === 1) i += 2;
    else if (isUnicodeEscape(bytes, i)) i += 6;
    else return fail(i);
  }
}

/** The offset after the string whose opening quote is at `i`. */
export function afterString(bytes: Uint8Array, i: number): number {
  const end = stringEnd(bytes, i + 1);
  return end < 0 ? FAILED : end + 1;
}

function isUnicodeEscape(bytes: Uint8Array, i: number): boolean {
  return (
    bytes[i + 1] === 0x75 &&
    HEX[bytes[i + 2]] === 1 &&
    HEX[bytes[i + 3]] === 1 &&
    HEX[bytes[i + 4]] === 1 &&
    HEX[bytes[i + 5]] === 1
  );
}

/** The offset after a number, `true`, `false` or `null` at `i`. */
export function scalarEnd(bytes: Uint8Array, i: number): number {
  switch (bytes[i]) {
    case 0x74: // t
      return bytes[i + 1] === 0x72 && bytes[i + 2] === 0x75 && bytes[i + 3] === 0x65 ? i + 4 : fail(i);
    case 0x66: // f
      return bytes[i + 1] === 0x61 && bytes[i + 2] === 0x6c && bytes[i + 3] === 0x73 && bytes[i + 4] === 0x65
        ? i + 5
        : fail(i);
    case 0x6e: // n
      return bytes[i + 1] === 0x75 && bytes[i + 2] === 0x6c && bytes[i + 3] === 0x6c ? i + 4 : fail(i);
    default:
      return numberEnd(bytes, i);
  }
}

function numberEnd(bytes: Uint8Array, i: number): number {
  if (bytes[i] === MINUS) i++;
  i = bytes[i] === ZERO ? i + 1 : digitsEnd(bytes, i);
  if (i > 0 && bytes[i] === DOT) i = digitsEnd(bytes, i + 1);
  if (i > 0 && (bytes[i] === 0x65 || bytes[i] === 0x45)) {
    const sign = bytes[i + 1];
    i = digitsEnd(bytes, sign === PLUS || sign === MINUS ? i + 2 : i + 1);
  }
  return i;
}

/** The offset after one or more digits at `i`. */
function digitsEnd(bytes: Uint8Array, i: number): number {
  const start = i;
  while (bytes[i] >= ZERO && bytes[i] <= 0x39) i++;
  return i > start ? i : fail(i);
}

/** The offset of the first byte from `i` on that is not white space within a line. */
export function skipSpace(bytes: Uint8Array, i: number): number {
  for (;;) {
    const byte = bytes[i];
    if (byte !== SPACE && byte !== TAB && byte !== RETURN) return i;
    i++;
  }
}

/** The offset of the value of the member whose key should begin at `i`. */
function memberValue(bytes: Uint8Array, i: number): number {
  if (bytes[i] !== QUOTE) return fail(i);
  i = stringEnd(bytes, i + 1);
  if (i < 0) return FAILED;
  return valueAfterKey(bytes, i);
}

/** The offset of the value of the member whose key has its closing quote at `i`. */
export function valueAfterKey(bytes: Uint8Array, i: number): number {
  i++;
  if (bytes[i] !== COLON) {
    i = skipSpace(bytes, i);
    if (bytes[i] !== COLON) return fail(i);
  }
  i++;
  return bytes[i] > SPACE ? i : skipSpace(bytes, i);
}

/** The closing bytes of the containers that are open in `skipValue`. */
let nesting: Uint8Array = new Uint8Array(1024);

function deepen(): Uint8Array {
  const deeper = new Uint8Array(Math.min(nesting.length * 2, MAX_DEPTH));
  deeper.set(nesting);
  nesting = deeper;
  return nesting;
}

/** The offset after the value at `i`, of any type and depth. Neither recurses nor allocates, unless the nesting outgrows its stack. */
export function skipValue(bytes: Uint8Array, i: number): number {
  let stack = nesting;
  let depth = 0;
  let close = 0;
  for (;;) {
    let byte = bytes[i];
    if (byte === QUOTE) {
      i = afterString(bytes, i);
      if (i < 0) return FAILED;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (depth === MAX_DEPTH) return fail(i, "too-deep");
      const closing = byte + 2;
      i++;
      if (bytes[i] <= SPACE) i = skipSpace(bytes, i);
      if (bytes[i] === closing) i++;
      else {
        if (depth === stack.length) stack = deepen();
        stack[depth++] = close;
        if (depth > DEEP) lexer.deep = true;
        close = closing;
        if (closing === CLOSE_BRACE) {
          i = memberValue(bytes, i);
          if (i < 0) return FAILED;
        }
        continue;
      }
    } else {
      i = scalarEnd(bytes, i);
      if (i < 0) return FAILED;
    }
    for (;;) {
      if (depth === 0) return i;
      byte = bytes[i];
      if (byte <= SPACE) {
        i = skipSpace(bytes, i);
        byte = bytes[i];
      }
      if (byte === close) {
        close = stack[--depth];
        i++;
        continue;
      }
      if (byte !== COMMA) return fail(i);
      i++;
      if (bytes[i] <= SPACE) i = skipSpace(bytes, i);
      if (close === CLOSE_BRACE) {
        i = memberValue(bytes, i);
        if (i < 0) return FAILED;
      }
      break;
    }
  }
}

/** The text of a valid JSON value: strings are decoded, anything else stays as it is. Invalid UTF-8 becomes U+FFFD. */
export function decode(bytes: Buffer, start: number, end: number): string {
  if (bytes[start] !== QUOTE) return bytes.toString("utf8", start, end);
  return decodeContent(bytes, start + 1, end - 1);
}

/** Decodes the content between a string's quotes. */
export function decodeContent(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString("utf8", start, end);
  return text.includes("\\") ? JSON.parse(`"${text}"`) : text;
}

/** The same bytes as a Buffer, which has fast ways to copy, search and decode. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
