import { AMPERSAND, BACKSLASH, COMMA, QUOTE, SPACE } from "./ascii.js";

/** What may follow a needle: see {@link Needle.unless}. */
export type Follow =
  /** One of these texts, of 4 bytes at most. */
  | { readonly kind: "texts"; readonly texts: readonly string[] }
  /**
   * The rest of a JSON string that is a URI's query: parameters with these names, between them `&` as it is or as Go escapes it,
   * and nothing special in their values (`%`, `+`, `;`, `@`) but these codes (`2F`). No other `?` either: of many in a row, each would
   * be read to the end.
   */
  | { readonly kind: "query"; readonly names: readonly string[]; readonly codes: readonly string[] }
  /** The value of a member whose key the text is: an object of these members only, each a list of one text, without escapes or white space. */
  | { readonly kind: "members"; readonly names: readonly string[] };

/** True if it follows at `at`. Something cut off by the end of the bytes does not. */
export function isFollowed(bytes: Buffer, at: number, follow: Follow): boolean {
  switch (follow.kind) {
    case "texts":
      return follow.texts.some((text) => isText(bytes, at, text));
    case "query":
      return isQuery(bytes, at, follow.names, follow.codes);
    case "members":
      return areMembers(bytes, at, follow.names);
  }
}

/** What ends the name of a parameter. */
const ENDS_NAME = '=&?\\"';
const ESCAPED_AMPERSAND = "\\u0026";

function isQuery(bytes: Buffer, at: number, names: readonly string[], codes: readonly string[]): boolean {
  if (bytes[at] === QUOTE) return true;
  for (;;) {
    const name = at;
    while (at < bytes.length && !ENDS_NAME.includes(charAt(bytes, at))) at++;
    if (!names.includes(bytes.toString("latin1", name, at))) return false;
    at = parameterEnd(bytes, at, codes);
    if (bytes[at] === QUOTE) return true;
    if (bytes[at] === AMPERSAND) at++;
    else if (isText(bytes, at, ESCAPED_AMPERSAND)) at += ESCAPED_AMPERSAND.length;
    else return false;
  }
}

/** The first byte of a parameter's value that does not stand for itself. */
function parameterEnd(bytes: Buffer, at: number, codes: readonly string[]): number {
  while (at < bytes.length) {
    const char = charAt(bytes, at);
    if (char < " " || '&?\\+;@"'.includes(char)) return at;
    if (char === "%" && !codes.includes(bytes.toString("latin1", at + 1, at + 3))) return at;
    at++;
  }
  return at;
}

function areMembers(bytes: Buffer, at: number, names: readonly string[]): boolean {
  if (!isText(bytes, at, ":{")) return false;
  at += 2;
  if (isText(bytes, at, "}")) return true;
  for (;;) {
    if (bytes[at] !== QUOTE) return false;
    const nameEnd = plainEnd(bytes, at + 1);
    if (!names.includes(bytes.toString("latin1", at + 1, nameEnd)) || !isText(bytes, nameEnd, '":["')) return false;
    at = plainEnd(bytes, nameEnd + 4);
    if (!isText(bytes, at, '"]')) return false;
    at += 2;
    if (bytes[at] !== COMMA) return isText(bytes, at, "}");
    at++;
  }
}

/** The first byte from `at` on that does not stand for itself in a JSON string. */
function plainEnd(bytes: Buffer, at: number): number {
  while (at < bytes.length && bytes[at] >= SPACE && bytes[at] !== QUOTE && bytes[at] !== BACKSLASH) at++;
  return at;
}

function isText(bytes: Buffer, at: number, text: string): boolean {
  return bytes.toString("latin1", at, at + text.length) === text;
}

const charAt = (bytes: Buffer, at: number): string => String.fromCharCode(bytes[at]);
