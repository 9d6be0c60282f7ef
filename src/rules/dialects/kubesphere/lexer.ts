import { AuditshipError, type Place } from "../../../plugin/index.js";

/**
 * The words of KubeSphere's condition language: `EventRule.g4` of kubesphere/event-rule-engine. The longest match wins; between
 * equally long ones, the keyword. `${…}` is a word too: `definitions.ts` looks up what it stands for.
 */
export type TokenType =
  | "and"
  | "or"
  | "not"
  | "operator"
  | "("
  | ")"
  | ","
  | "number"
  | "boolean"
  | "string"
  | "path"
  | "reference"
  /** The items of a list that was referred to. */
  | "list"
  | "end";

export interface Token {
  readonly type: TokenType;
  /** Strings without their quotes, references without `${}`; everything else as written. */
  readonly text: string;
  /** Where it begins in its text, in UTF-16 units. */
  readonly offset: number;
  /** The text that contains it: a condition's or a macro's. */
  readonly origin: Origin;
  /** One past its last unit. */
  readonly end: number;
  /** For a reference: the rest of the path that follows it without a space (`${pod}.name`). */
  readonly suffix?: string;
  /** For a list. */
  readonly items?: readonly string[];
}

/** A text that tokens come from, and its name in errors. */
export interface Origin {
  readonly text: string;
  /** "the condition", "macro pod". */
  readonly name: string;
  /** The place of a character in its file; without it, places are positions in the text. */
  readonly locate?: (offset: number) => Place;
}

const OPERATORS = ["contains", "in", "like", "regex", "exists"];
/** Written with exactly one space. */
const NEGATED = OPERATORS.map((operator) => `not ${operator}`);
const SIGNS = ["==", "!=", ">=", "<=", "=", ">", "<"];
const BOOLEANS = new Set(["True", "TRUE", "true", "False", "FALSE", "false"]);
const NUMBER = /-?[0-9]+(?:\.[0-9]+)?/y;
const NAME = /[a-zA-Z_][a-zA-Z0-9_-]*/y;
const BRACKETS = /\[(?:\*|[0-9]+|[0-9]*:[0-9]*)\]/y;
const REFERENCE = /\$\{([^{}]*)\}/y;
const SPACES = /[ \t\r\n]*/y;

/** Splits a text into words, the last of which is `end`. */
export function tokenize(origin: Origin): Token[] {
  const { text } = origin;
  const tokens: Token[] = [];
  for (let at = skip(SPACES, text, 0); at < text.length; at = skip(SPACES, text, at)) {
    const token = next(origin, at);
    tokens.push(token);
    at = token.end;
  }
  tokens.push({ type: "end", text: "", offset: text.length, end: text.length, origin });
  return tokens;
}

function next(origin: Origin, at: number): Token {
  const { text } = origin;
  const token = (type: TokenType, end: number, content = text.slice(at, end)): Token => ({
    type,
    text: content,
    offset: at,
    end,
    origin,
  });
  const char = text[at];
  if (char === '"') return string(origin, at);
  if (char === "(" || char === ")" || char === ",") return token(char, at + 1);
  for (const sign of SIGNS) if (text.startsWith(sign, at)) return token("operator", at + sign.length);
  if (char === "!") return token("not", at + 1);
  const number = skip(NUMBER, text, at);
  if (number > at) return token("number", number);
  if (text.startsWith("${", at)) return reference(origin, at);
  for (const operator of NEGATED) if (text.startsWith(operator, at)) return token("operator", at + operator.length);
  const end = skipPath(text, at);
  if (end === at) throw syntaxError(origin, at, `unexpected ${describeChar(text, at)}`);
  const word = text.slice(at, end);
  if (word === "and" || word === "or" || word === "not") return token(word, end);
  if (OPERATORS.includes(word)) return token("operator", end);
  return token(BOOLEANS.has(word) ? "boolean" : "path", end);
}

/** Reads a string up to the first unescaped quote or, without one, up to the last escaped quote. Escapes are kept as they are. */
function string(origin: Origin, at: number): Token {
  const { text } = origin;
  let fallback = -1;
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '"') return stringToken(origin, at, i + 1);
    if (text[i] === "\\" && (text[i + 1] === '"' || text[i + 1] === "\\")) {
      i++;
      if (text[i] === '"') fallback = i + 1;
    }
  }
  if (fallback < 0) throw syntaxError(origin, at, 'a string without its closing "');
  return stringToken(origin, at, fallback);
}

/** Trims all quotes at both ends, as upstream does: `"\"a"` is `\"a`, `"a\""` is `a\`. */
function stringToken(origin: Origin, offset: number, end: number): Token {
  let first = offset;
  let last = end;
  while (first < last && origin.text[first] === '"') first++;
  while (last > first && origin.text[last - 1] === '"') last--;
  return { type: "string", text: origin.text.slice(first, last), offset, end, origin };
}

function reference(origin: Origin, at: number): Token {
  const { text } = origin;
  REFERENCE.lastIndex = at;
  const match = REFERENCE.exec(text);
  if (!match) throw syntaxError(origin, at, "a ${ without its }");
  const after = at + match[0].length;
  const end = skipSegments(text, skip(BRACKETS, text, after));
  return { type: "reference", text: match[1].trim(), offset: at, end, origin, suffix: text.slice(after, end) };
}

/**
 * Skips a field path: names, each with at most one pair of brackets, joined by dots. After any name but the first, a second dot is
 * allowed.
 */
function skipPath(text: string, at: number): number {
  const name = skip(NAME, text, at);
  return name === at ? at : skipSegments(text, skip(BRACKETS, text, name));
}

function skipSegments(text: string, at: number): number {
  let end = at;
  let isFirst = true;
  for (;;) {
    const dot = text[end] === "." ? end + 1 : -1;
    if (dot < 0) return end;
    const name = skip(NAME, text, dot);
    if (name > dot) end = skip(BRACKETS, text, name);
    else if (!isFirst && text[dot] === "." && skip(NAME, text, dot + 1) > dot + 1) end = dot;
    else return isFirst ? end : dot;
    isFirst = false;
  }
}

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

/** An error at a position of a text, quoting the text there. Lines and columns count from 1. */
export function syntaxError(origin: Origin, offset: number, what: string): AuditshipError {
  const where = origin.name === CONDITION ? "" : ` in ${origin.name}`;
  const near = origin.text === "" ? "" : `, near ${excerpt(origin.text, offset)}`;
  return new AuditshipError("AUDITSHIP_RULE_SYNTAX", `${what}${where}${near}.`, placeOf(origin, offset));
}

/** The name of the text that is a rule's own condition. */
export const CONDITION = "the condition";

/** The place of a character of a text. */
export function placeOf({ text, locate }: Origin, offset: number): Place {
  if (locate) return locate(offset);
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - before.lastIndexOf("\n") };
}

/** The text at an offset in quotation marks, at most 40 characters on one line. */
function excerpt(text: string, offset: number): string {
  const from = Math.max(0, offset - 12);
  const to = Math.min(text.length, offset + 28);
  const part = text.slice(from, to).replace(/\s+/g, " ");
  return `“${from > 0 ? "…" : ""}${part}${to < text.length ? "…" : ""}”`;
}

function describeChar(text: string, at: number): string {
  const char = String.fromCodePoint(text.codePointAt(at) ?? 0);
  const hint = HINTS.get(char);
  return `“${char}”${hint ? ` (${hint})` : ""}`;
}

const HINTS = new Map([
  ["'", 'strings stand in "double quotes"'],
  ["&", "write and"],
  ["|", "write or"],
  ["~", "write regex or like"],
  ["#", "conditions have no comments"],
  ["/", "field names hold no /"],
]);
