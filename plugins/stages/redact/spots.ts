/**
 * The places where alone the walk has something to do in most bodies: lists of variables, arguments and commands, and
 * strings with the password of a URL. JSON text is searched as latin1, where each byte is a character.
 */

/** What stands at a spot: the value of a member `env`; of `args` or `command`; a string. */
export type SpotKind = "env" | "words" | "text";

export interface Spot {
  /** Offset of the value's first byte. */
  at: number;
  kind: SpotKind;
}

/** The members whose values are spots: their keys as a regular expression, from behind the opening quote on. */
export const LIST_KEYS = '(env|args|command)"';

/** The key of such a member, and the offset of its opening quote. */
export interface ListKey {
  readonly index: number;
  readonly name: string;
}

/** Whether a string may hold a URL with a password. */
export const hasPassword = (text: string): boolean => passwords(text).length > 0;

/**
 * All of them in order; undefined if one cannot be told for sure.
 * @param keys all occurrences of {@link LIST_KEYS}
 * @param urls what {@link passwords} gives
 */
export function spots(text: string, keys: readonly ListKey[], urls: readonly number[]): Spot[] | undefined {
  const found: Spot[] = [];
  for (const { index, name } of keys) {
    // The end of a longer key.
    if (text[index - 1] === "\\") return undefined;
    const at = valueAfter(text, index + name.length + 2);
    if (at >= 0) found.push({ at, kind: name === "env" ? "env" : "words" });
  }
  const lists = found.length;
  let stringEnd = 0;
  for (const at of urls) {
    // In the same string as the one before.
    if (at < stringEnd) continue;
    const start = stringStart(text, at);
    if (start < 0) return undefined;
    stringEnd = closingQuote(text, at);
    found.push({ at: start, kind: "text" });
  }
  return found.length > lists ? found.sort((a, b) => a.at - b.at) : found;
}

const NONE: readonly number[] = [];

/** Offsets of each `://` that a user, a colon and, in the same string, an `@` follow. Linear: no byte is passed twice. */
export function passwords(text: string): readonly number[] {
  if (!text.includes("@")) return NONE;
  const found: number[] = [];
  let atSign = -1;
  let quote = -1;
  for (let at = text.indexOf("://"); at >= 0; at = text.indexOf("://", at + 3)) {
    let user = at + 3;
    while (user < text.length && (ENDS_USER[text.charCodeAt(user)] === 0 || isEscapedQuote(text, user))) user++;
    if (text[user] !== ":") continue;
    if (atSign < user) atSign = text.indexOf("@", user);
    if (atSign < 0) break;
    if (quote < user) quote = closingQuote(text, user);
    if (atSign < quote) found.push(at);
  }
  return found;
}

/** As a table over latin1. */
const ENDS_USER = Uint8Array.from({ length: 256 }, (_, code) =>
  ' :/?#@"'.includes(String.fromCharCode(code)) ? 1 : 0,
);

/** The next quote that no backslash escapes; the text's end if there is none. */
function closingQuote(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 1)) if (!isEscaped(text, at)) return at;
  return text.length;
}

/** The opening quote of the string that `at` lies in; -1 if there is none. */
function stringStart(text: string, at: number): number {
  for (let quote = text.lastIndexOf('"', at); quote >= 0; quote = text.lastIndexOf('"', quote - 1)) {
    if (!isEscaped(text, quote)) return quote;
    if (quote === 0) break;
  }
  return -1;
}

const isEscapedQuote = (text: string, at: number): boolean => text[at] === '"' && isEscaped(text, at);

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === "\\") backslashes++;
  return backslashes % 2 === 1;
}

/** The first byte of the value of the member whose key ends before `at`; -1 if that is no key. */
function valueAfter(text: string, at: number): number {
  const colon = skipSpace(text, at);
  return text[colon] === ":" ? skipSpace(text, colon + 1) : -1;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (" \t\r\n".includes(text[at]) && at < text.length) at++;
  return at;
}
