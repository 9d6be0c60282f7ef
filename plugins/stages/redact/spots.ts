import { AT_SIGN, BACKSLASH, COLON, QUOTE, skipSpace } from "../../../src/plugin/index.js";

/**
 * Spots: the only places that a walk acts on in most bodies. They are lists of variables, arguments and commands, and strings that
 * contain a URL's password.
 */

/** What is at a spot: the value of a member `env`, `command` or `args`, or a string. */
export type SpotKind = "env" | "command" | "args" | "text";

export interface Spot {
  /** Offset of the value's first byte. */
  at: number;
  /** One past its last byte, if that is known. */
  end?: number;
  kind: SpotKind;
}

/**
 * The first byte of the value of the member whose key is [start, end). -1 if that is not a key; undefined if it is the end of a
 * longer string.
 */
export function listAfter(bytes: Uint8Array, start: number, end: number): number | undefined {
  if (bytes[start - 1] === BACKSLASH) return undefined;
  const colon = skipSpace(bytes, end);
  return bytes[colon] === COLON ? skipSpace(bytes, colon + 1) : -1;
}

/** The opening quote of the string that contains `at`; -1 if there is none from `from` on. */
export function stringStart(bytes: Uint8Array, at: number, from: number): number {
  for (let quote = at; quote >= from; quote--) if (bytes[quote] === QUOTE && !isEscaped(bytes, quote)) return quote;
  return -1;
}

/** Finds passwords of URLs in JSON text. The time is linear if each URL is asked for once, in order. */
export class Passwords {
  /** The part of a string that was read last: from a URL's user to the closing quote. */
  #start = 0;
  stringEnd = -1;
  /** The last `@` in it; -1 if there is none. */
  #atSign = -1;

  constructor(private readonly bytes: Uint8Array) {}

  /** Whether the `://` at `at` is followed by a user and an `@`, or by a user, a colon and, later in the same string, an `@`. */
  isAt(at: number): boolean {
    const { bytes } = this;
    let user = at + 3;
    while (user < bytes.length && (ENDS_USER[bytes[user]] === 0 || (bytes[user] === QUOTE && isEscaped(bytes, user)))) {
      user++;
    }
    const isToken = bytes[user] === AT_SIGN && user > at + 3;
    if (bytes[user] !== COLON && !isToken) return false;
    if (user < this.#start || user > this.stringEnd) this.#read(user);
    return isToken || this.#atSign > user;
  }

  #read(start: number): void {
    const { bytes } = this;
    let at = start;
    this.#atSign = -1;
    for (; at < bytes.length && bytes[at] !== QUOTE; at += bytes[at] === BACKSLASH ? 2 : 1) {
      if (bytes[at] === AT_SIGN) this.#atSign = at;
    }
    this.#start = start;
    this.stringEnd = at;
  }
}

/** As a table, indexed by byte. */
const ENDS_USER = Uint8Array.from({ length: 256 }, (_, code) =>
  ' :/?#@"'.includes(String.fromCharCode(code)) ? 1 : 0,
);

function isEscaped(bytes: Uint8Array, at: number): boolean {
  let backslashes = 0;
  while (bytes[at - 1 - backslashes] === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
