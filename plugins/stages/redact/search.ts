import { hasPassword, hasSpots } from "./spots.js";
import { BASE64_FORMS } from "./text.js";

/**
 * The search before the walk (DESIGN §7): tells from a body's bytes, without reading its structure, that the walk would
 * find nothing in it. It may be wrong in the other direction only.
 */

/** Bits of what {@link Search.look} found. */
export enum Found {
  nothing = 0,
  /** The body has to be walked. */
  walk = 1,
  /** Strings may hold secrets known by their shape: {@link scrub} each. */
  text = 2,
  /** Only some places in it have to be walked: see {@link spots}. */
  spots = 4,
}

const BACKSLASH = 0x5c;
const QUOTE = 0x22;
const SLASH = 0x2f;
const LOWER_C = 0x63;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
const ZERO = 0x30;
const ONE = 0x31;
const TWO = 0x32;
const THREE = 0x33;
const SIX = 0x36;
const EIGHT = 0x38;
const NINE = 0x39;

/** Something to look for. Looking for the rare part of it first is several times faster than for the whole. */
export class Pattern {
  private readonly whole: Buffer;
  private readonly needle: Buffer;
  private readonly lead: number;

  constructor(whole: string, rare: string) {
    this.whole = Buffer.from(whole);
    this.needle = Buffer.from(rare);
    this.lead = whole.indexOf(rare);
  }

  /** Offset of the first occurrence that begins at or after `from`; -1 if there is none. */
  indexIn(bytes: Buffer, from = 0): number {
    let at = bytes.indexOf(this.needle, from + this.lead);
    while (at >= 0 && !isAt(bytes, at - this.lead, this.whole)) at = bytes.indexOf(this.needle, at + 1);
    return at < 0 ? -1 : at - this.lead;
  }
}

function isAt(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}

export const TOKEN = new Pattern("eyJ", "yJ");
export const PRIVATE_KEY = new Pattern("PRIVATE KEY", "PRIVATE");
export const AT_SIGN = new Pattern("@", "@");

/*
 * The bytes are searched as latin1 text, where each byte is a character, by a few regular expressions without repetition:
 * twice as fast as a search for each pattern.
 */

/** Secrets known by their shape. */
const SHAPE = new RegExp(["eyJ", "PRIVATE KEY", ...BASE64_FORMS].join("|"));
/** What the walk acts on wherever it stands: kinds of objects, and the copy of an applied one. */
const KINDS = [
  "Secret",
  "TokenRe",
  'kubectl\\.kubernetes\\.io/last-applied-configuration"',
  "CertificateSigningRequest",
];
const STRUCTURE = new RegExp(`"(?:${KINDS.join("|")})`);
const STRUCTURE_OR_CONFIG_MAP = new RegExp(`"(?:${KINDS.join("|")}|ConfigMap)`);
/** An escape that could hide a pattern: `\\/`, or a `\\u` that Go does not write (see {@link isForeignEscape}). */
const FOREIGN_ESCAPE = /\\(?:\/|u(?!00(?:[01]|26|3[ceCE])|202[89]))/;
/** A string that begins as JSON with a string in it does. */
const JSON_IN_STRING = /"(?:[ {[]|\\[nrt])+\\"/;
export class Search {
  private readonly structure: RegExp;

  /** @param isOn false says of everything that it must be walked: what the search is tested against */
  constructor(
    configMaps: boolean,
    private readonly isOn = true,
  ) {
    this.structure = configMaps ? STRUCTURE_OR_CONFIG_MAP : STRUCTURE;
  }

  /** What the walk of this JSON text has to look for: bits of {@link Found}. */
  look(bytes: Buffer): number {
    return this.isOn ? this.trace(bytes) : Found.walk | Found.text;
  }

  /** Traces of secrets in any text: bits of {@link Found}. */
  trace(bytes: Buffer): number {
    const text = bytes.toString("latin1");
    if (SHAPE.test(text)) return Found.walk | Found.text;
    const hides = text.includes("\\") && (FOREIGN_ESCAPE.test(text) || JSON_IN_STRING.test(text));
    if (hides || this.structure.test(text)) return hasPassword(text) ? Found.walk | Found.text : Found.walk;
    return hasSpots(text) ? Found.spots | Found.text : Found.nothing;
  }
}

/** Whether a string's content [start, end) begins as JSON that holds a string does: brackets, white space, `\"`. */
export function beginsJson(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  while (i < end) {
    if (IS_OPENING[bytes[i]] === 1) i++;
    else if (bytes[i] === BACKSLASH && IS_ESCAPED_SPACE[bytes[i + 1]] === 1) i += 2;
    else return i > start && bytes[i] === BACKSLASH && bytes[i + 1] === QUOTE;
  }
  return false;
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
export function isForeignEscape(bytes: Uint8Array, at: number): boolean {
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
