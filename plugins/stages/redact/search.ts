import { hasPassword, LIST_KEYS, type ListKey, passwords, type Spot, spots } from "./spots.js";
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
  /** Only some places in it have to be walked. */
  spots = 4,
}

/** What was found in a text. */
export interface Finding {
  /** Bits of {@link Found}. */
  readonly found: number;
  /** Where to walk if that is {@link Found.spots}; undefined if it cannot be told for sure. */
  readonly spots?: readonly Spot[];
}

const NOTHING: Finding = { found: Found.nothing };
const WALK: Finding = { found: Found.walk };
const WALK_TEXT: Finding = { found: Found.walk | Found.text };

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
class Pattern {
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
 * twice as fast as a search for each pattern. More alternatives in one are slower where their first letters differ.
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
/** … and, in the same pass, the keys of lists: what the first group holds. */
const structure = (kinds: readonly string[]) => new RegExp(`"(?:${LIST_KEYS}|${kinds.join("|")})`, "g");
const STRUCTURE = structure(KINDS);
const STRUCTURE_OR_CONFIG_MAP = structure([...KINDS, "ConfigMap"]);

export class Search {
  private readonly structure: RegExp;

  /** @param isOn false says of everything that it must be walked: what the search is tested against */
  constructor(
    configMaps: boolean,
    private readonly isOn = true,
  ) {
    this.structure = configMaps ? STRUCTURE_OR_CONFIG_MAP : STRUCTURE;
  }

  /** What the walk of this JSON text has to look for. */
  look(bytes: Buffer): Finding {
    return this.isOn ? this.trace(bytes) : WALK_TEXT;
  }

  /** Traces of secrets in any text. */
  trace(bytes: Buffer): Finding {
    const text = bytes.toString("latin1");
    if (SHAPE.test(text)) return WALK_TEXT;
    const keys = hides(text, bytes) ? undefined : this.#listKeys(text);
    if (keys === undefined) return hasPassword(text) ? WALK_TEXT : WALK;
    const urls = passwords(text);
    if (keys.length === 0 && urls.length === 0) return NOTHING;
    return { found: Found.spots | Found.text, spots: spots(text, keys, urls) };
  }

  /** The keys of all lists; undefined if the text holds what has to be walked. */
  #listKeys(text: string): ListKey[] | undefined {
    const keys: ListKey[] = [];
    this.structure.lastIndex = 0;
    for (let match = this.structure.exec(text); match !== null; match = this.structure.exec(text)) {
      if (match[1] === undefined) return undefined;
      keys.push({ index: match.index, name: match[1] });
    }
    return keys;
  }
}

/** Whether an escape could hide a pattern, or stands in a string that begins as JSON with a string in it does. */
function hides(text: string, bytes: Uint8Array): boolean {
  // The text's own indexOf costs a fraction of the buffer's, which leaves JavaScript for each call.
  for (let at = text.indexOf("\\"); at >= 0; at = text.indexOf("\\", at + 1)) {
    if (isForeignEscape(bytes, at) || isFirstOfJson(bytes, at)) return true;
  }
  return false;
}

/** Whether the escape at `at` is the `\"` before which a string holds brackets and white space only, as JSON in it does. */
function isFirstOfJson(bytes: Uint8Array, at: number): boolean {
  if (bytes[at + 1] !== QUOTE) return false;
  let start = at;
  for (;;) {
    if (IS_OPENING[bytes[start - 1]] === 1) start--;
    else if (IS_ESCAPED_SPACE[bytes[start - 1]] === 1 && bytes[start - 2] === BACKSLASH) start -= 2;
    else return start < at && bytes[start - 1] === QUOTE;
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
