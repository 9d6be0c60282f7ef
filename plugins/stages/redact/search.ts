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
const SCHEME = new Pattern("://", "//");
const BASE64 = BASE64_FORMS.map((form) => new Pattern(form, form.slice(0, 6)));

/** What the walk acts on: names of members, and kinds of objects. */
const STRUCTURE = [
  new Pattern('"Secret', "Secret"),
  new Pattern('"TokenRe', "TokenRe"),
  new Pattern('"args"', 'gs"'),
  new Pattern('"env"', 'v"'),
  new Pattern('"command"', 'mmand"'),
  new Pattern('"kubectl.kubernetes.io/last-applied-configuration"', "kubectl.kubernetes.io/last-applied"),
  new Pattern('"CertificateSigningRequest', "CertificateSigningRequest"),
];
const CONFIG_MAP = new Pattern('"ConfigMap', "ConfigMap");

export class Search {
  private readonly structure: readonly Pattern[];

  /** @param isOn false says of everything that it must be walked: what the search is tested against */
  constructor(
    configMaps: boolean,
    private readonly isOn = true,
  ) {
    this.structure = configMaps ? [...STRUCTURE, CONFIG_MAP] : STRUCTURE;
  }

  /** What the walk of this JSON text has to look for: bits of {@link Found}. */
  look(bytes: Buffer): number {
    return this.isOn ? this.trace(bytes) : Found.walk | Found.text;
  }

  /** Traces of secrets in any text: bits of {@link Found}. */
  trace(bytes: Buffer): number {
    if (holdsShape(bytes)) return Found.walk | Found.text;
    if (hidesSomething(bytes) || this.structure.some((pattern) => pattern.indexIn(bytes) >= 0)) return Found.walk;
    return Found.nothing;
  }
}

function holdsShape(bytes: Buffer): boolean {
  return (
    TOKEN.indexIn(bytes) >= 0 ||
    PRIVATE_KEY.indexIn(bytes) >= 0 ||
    (AT_SIGN.indexIn(bytes) >= 0 && SCHEME.indexIn(bytes) >= 0) ||
    BASE64.some((form) => form.indexIn(bytes) >= 0)
  );
}

/** Whether an escape could hide a pattern, or a string holds JSON. */
function hidesSomething(bytes: Buffer): boolean {
  let at = bytes.indexOf(BACKSLASH);
  while (at >= 0) {
    if (isForeignEscape(bytes, at) || (bytes[at + 1] === QUOTE && isFirstInJson(bytes, at))) return true;
    at = bytes.indexOf(BACKSLASH, at + 2);
  }
  return false;
}

/** Whether only opening brackets and white space stand between a string's opening quote and the `\"` at `at`. */
function isFirstInJson(bytes: Buffer, at: number): boolean {
  let i = at - 1;
  while (i > 0) {
    if (bytes[i - 1] === BACKSLASH && IS_ESCAPED_SPACE[bytes[i]] === 1) i -= 2;
    else if (IS_OPENING[bytes[i]] === 1) i--;
    else break;
  }
  return i < at - 1 && bytes[i] === QUOTE;
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
