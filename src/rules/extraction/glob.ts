import { BACKSLASH, CLOSE_BRACKET, COLON, MINUS, OPEN_BRACKET, QUESTION, STAR } from "../../plugin/index.js";

/**
 * fnmatch(3) without flags in the C locale, over the text's bytes: `*` and `?` match anything, including slashes and leading dots;
 * `[a-z]`, `[!a]`, `[^a]` and `[[:alpha:]]` match one byte; a backslash makes the next byte literal. The time is linear in the
 * length of the text times that of the pattern.
 */
export function compileGlob(pattern: string, anyCase = false): (text: string) => boolean {
  const parts = parse(bytesOf(pattern, anyCase), anyCase);
  if (parts === undefined) return () => false;
  return (text) => match(parts, bytesOf(text, anyCase));
}

/** The bytes that one part of the pattern matches; undefined for `*`. */
type Part = ((byte: number) => boolean) | undefined;

function bytesOf(text: string, anyCase: boolean): Buffer {
  const bytes = Buffer.from(text);
  if (anyCase) for (let i = 0; i < bytes.length; i++) bytes[i] = lower(bytes[i]);
  return bytes;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

/** Undefined for a pattern that matches nothing: one that ends in a backslash. */
function parse(pattern: Buffer, anyCase: boolean): Part[] | undefined {
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const byte = pattern[at];
    if (byte === STAR) {
      if (parts.length === 0 || parts[parts.length - 1] !== undefined) parts.push(undefined);
    } else if (byte === QUESTION) parts.push(() => true);
    else if (byte === OPEN_BRACKET) {
      const set = parseSet(pattern, at + 1, anyCase);
      // A bracket that is never closed is literal.
      parts.push(set ? set.has : (other) => other === OPEN_BRACKET);
      if (set) at = set.end - 1;
    } else if (byte === BACKSLASH) {
      if (++at === pattern.length) return undefined;
      const escaped = pattern[at];
      parts.push((other) => other === escaped);
    } else parts.push((other) => other === byte);
  }
  return parts;
}

/** Called behind a [; undefined if there is no matching ]. */
function parseSet(
  pattern: Buffer,
  start: number,
  anyCase: boolean,
): { has: (byte: number) => boolean; end: number } | undefined {
  const first = pattern[start];
  const negated = first === 0x21 || first === 0x5e;
  const wanted = new Uint8Array(256);
  let at = negated ? start + 1 : start;
  for (let isFirst = true; ; isFirst = false) {
    if (at >= pattern.length) return undefined;
    if (pattern[at] === CLOSE_BRACKET && !isFirst) break;
    if (pattern[at] === OPEN_BRACKET && pattern[at + 1] === COLON) {
      const named = className(pattern, at + 2);
      if (named === undefined) return { has: () => false, end: pattern.length };
      for (let byte = 0; byte < 128; byte++) if (named.pattern.test(String.fromCharCode(byte))) wanted[byte] = 1;
      at = named.end;
      continue;
    }
    const from = pattern[at] === BACKSLASH ? pattern[++at] : pattern[at];
    at++;
    let to = from;
    if (pattern[at] === MINUS && at + 1 < pattern.length && pattern[at + 1] !== CLOSE_BRACKET) {
      at++;
      if (pattern[at] === BACKSLASH) at++;
      to = pattern[at++];
    }
    for (let byte = from; byte <= to; byte++) wanted[anyCase ? lower(byte) : byte] = 1;
  }
  return { has: (byte) => (wanted[byte] === 1) !== negated, end: at + 1 };
}

const CLASSES: Record<string, RegExp> = {
  alpha: /[a-zA-Z]/,
  digit: /[0-9]/,
  alnum: /[a-zA-Z0-9]/,
  upper: /[A-Z]/,
  lower: /[a-z]/,
  space: /[ \t-\r]/,
  blank: /[ \t]/,
  punct: /[!-/:-@[-`{-~]/,
  print: /[ -~]/,
  graph: /[!-~]/,
  cntrl: /[\0-\x1f\x7f]/,
  xdigit: /[0-9a-fA-F]/,
};

function className(pattern: Buffer, start: number): { pattern: RegExp; end: number } | undefined {
  const end = pattern.indexOf(":]", start);
  const name = end < 0 ? "" : pattern.toString("latin1", start, end);
  return Object.hasOwn(CLASSES, name) ? { pattern: CLASSES[name], end: end + 2 } : undefined;
}

/** Backtracks only to the last `*`: whatever an earlier one could take, the last can take too. */
function match(parts: readonly Part[], text: Buffer): boolean {
  let part = 0;
  let at = 0;
  let star = -1;
  let taken = 0;
  while (at < text.length) {
    if (part < parts.length && parts[part] === undefined) {
      star = part++;
      taken = at;
    } else if (part < parts.length && parts[part]?.(text[at])) {
      part++;
      at++;
    } else if (star >= 0) {
      part = star + 1;
      at = ++taken;
    } else return false;
  }
  while (part < parts.length && parts[part] === undefined) part++;
  return part === parts.length;
}
