/** A member of a JSON object: its decoded key, and its value as a span. */
export interface Member {
  key: string;
  start: number;
  end: number;
}

/**
 * The members of the object at `start` (its `{`) in order, duplicate keys included. Meant for valid JSON; of anything else
 * it may throw or give nonsense, but ends.
 */
export function* members(bytes: Uint8Array, start: number): Generator<Member> {
  let at = skipSpace(bytes, start + 1);
  while (bytes[at] === QUOTE) {
    const keyEnd = valueEnd(bytes, at);
    const key = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + at, keyEnd - at).toString("utf8")) as string;
    const value = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    const end = valueEnd(bytes, value);
    yield { key, start: value, end };
    const next = skipSpace(bytes, end);
    // Behind the object anything may stand: another event, or what is left of an older batch.
    if (bytes[next] !== COMMA) return;
    at = skipSpace(bytes, next + 1);
  }
}

/** One past the last byte of the JSON value at `start`. */
export function valueEnd(bytes: Uint8Array, start: number): number {
  let depth = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = stringEnd(bytes, at);
      if (depth === 0) return at + 1;
    } else if (byte === BRACE || byte === BRACKET) {
      depth++;
    } else if (byte === BRACE_END || byte === BRACKET_END) {
      // At depth 0 it closes what the value stands in.
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (byte === COMMA || byte <= SPACE)) {
      return at;
    }
  }
  return bytes.length;
}

/** Index of the closing quote of the string at `start`. */
function stringEnd(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return Math.min(at, bytes.length - 1);
}

/** The first byte from `start` on that is no white space. */
export function skipSpace(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] <= SPACE) at++;
  return at;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const BRACE = 0x7b;
const BRACE_END = 0x7d;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;
const SPACE = 0x20;
