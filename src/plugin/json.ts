import { BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE, SPACE } from "./ascii.js";
import { Kind } from "./event.js";

/** A member of a JSON object: its decoded key, and its value as a span. */
export interface Member {
  key: string;
  start: number;
  end: number;
}

/** Where a member lies: its key's opening quote and what follows the closing one, its value, and what follows that. */
export interface MemberSpan {
  key: number;
  keyEnd: number;
  start: number;
  end: number;
}

/**
 * Where the members of the object at `object` (its `{`) lie, in order, duplicate keys included. Meant for valid JSON; for anything
 * else the result is meaningless, but it terminates.
 */
export function* memberSpans(bytes: Uint8Array, object: number): Generator<MemberSpan> {
  let key = skipSpace(bytes, object + 1);
  while (bytes[key] === QUOTE) {
    const keyEnd = valueEnd(bytes, key);
    const start = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    const end = valueEnd(bytes, start);
    yield { key, keyEnd, start, end };
    const next = skipSpace(bytes, end);
    // Anything may follow the object: another event, or what is left of an older batch.
    if (bytes[next] !== COMMA) return;
    key = skipSpace(bytes, next + 1);
  }
}

/** The same with decoded keys; may throw if it is not valid JSON. */
export function* members(bytes: Uint8Array, start: number): Generator<Member> {
  for (const { key, keyEnd, start: value, end } of memberSpans(bytes, start)) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + key, keyEnd - key).toString("utf8");
    yield { key: JSON.parse(text) as string, start: value, end };
  }
}

/** The kind of the JSON value that begins with `byte`. */
export function kindOf(byte: number): Kind {
  switch (byte) {
    case QUOTE:
      return Kind.string;
    case OPEN_BRACE:
      return Kind.object;
    case OPEN_BRACKET:
      return Kind.array;
    case 0x74: // t
      return Kind.true;
    case 0x66: // f
      return Kind.false;
    case 0x6e: // n
      return Kind.null;
    default:
      return Kind.number;
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
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth++;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      // At depth 0 it closes whatever holds the value.
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

/** The first byte from `start` on that is not white space. */
export function skipSpace(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] <= SPACE) at++;
  return at;
}
