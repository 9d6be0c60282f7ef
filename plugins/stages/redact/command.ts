import { isCredentialFlag, isCredentialName, MAX_NAME } from "./credentials.js";
import { type Replace, scrub, scrubKeys } from "./text.js";

/** Programs whose `-p` takes its value without a space. */
const ATTACHED_PASSWORD = /(?:^|[/\s])(?:mysql|mariadb|mongo|sshpass|7z|zip)[\w-]*(?:\s|$)/;
/** What else begins with `-p`: a word with a value (`-port=80`), or a path or number as in `-p8080`. */
const OTHER_P_FLAG = /^-p(?:[a-z][a-z-]*(?:=|$)|[\d:./]+$)/;

/**
 * Hashes the credentials in a command line: what a credential flag is given (`--password x`, `--password=x`, `-p x`),
 * values of credential names (`NAME=x`, `Name: x`), what follows `Bearer` and `Basic`, the password of `-u user:password`,
 * the value of a header (`-H Name:x`), and what {@link scrub} knows by its shape. Program, flags and names stay. A word
 * with white space in it is shell text: its own words are looked at in the same way.
 */
export class CommandLine {
  /** What the word before asks of the next one. */
  #expect: "nothing" | "secret" | "secret-if-no-flag" | "scheme" | "userinfo" | "header" = "nothing";
  readonly #attachedPassword: boolean;

  /** @param words the whole command line, for what depends on the program */
  constructor(
    words: readonly string[],
    private readonly replace: Replace,
  ) {
    this.#attachedPassword = words.some((word) => ATTACHED_PASSWORD.test(word));
  }

  /** The next word without its credentials; the same string if it holds none. */
  next(word: string): string {
    if (this.#expect !== "nothing" || !SPACE.test(word) || isAssignment(word)) return this.#word(word);
    // Keys are the one shape that white space is part of.
    const text = scrubKeys(word, this.replace);
    return this.#shell(shellTokens(text));
  }

  #shell(tokens: readonly string[]): string {
    let clean = "";
    for (const token of tokens) clean += SPACE.test(token[0]) ? token : this.#token(token);
    return clean;
  }

  /** A word of shell text. White space in it stands within quotes: a credential's value, or shell text again. */
  #token(token: string): string {
    if (!SPACE.test(token) || this.#expect !== "nothing" || isAssignment(token)) return this.#word(token);
    return this.#shell(token.split(/(\s+)/).filter((part) => part !== ""));
  }

  #word(quoted: string): string {
    const quotes = /^["'`(]*/.exec(quoted)![0];
    const word = quoted.slice(quotes.length);
    const expect = this.#expect;
    this.#expect = "nothing";
    switch (expect) {
      case "secret":
        return this.#hashed(quoted, 0);
      case "secret-if-no-flag":
        if (!word.startsWith("-")) return this.#hashed(quoted, 0);
        break;
      case "scheme":
        if (!SCHEME.test(word)) return this.#hashed(quoted, 0);
        break;
      case "userinfo":
        if (word.includes(":")) return quotes + this.#hashed(word, word.indexOf(":") + 1);
        break;
      case "header":
        if (isCredentialName(word.split(":", 1)[0]) && /:./s.test(word)) {
          return quotes + this.#hashed(word, word.indexOf(":") + 1);
        }
    }
    return quotes + (word.startsWith("-") ? this.#flag(word) : this.#plain(word));
  }

  #flag(word: string): string {
    const equals = word.indexOf("=");
    const name = word.slice(0, equals < 0 ? undefined : equals).replace(/^-+/, "");
    if (word === "-p") this.#expect = "secret-if-no-flag";
    else if (word === "-u" || word === "--user") this.#expect = "userinfo";
    else if (word === "-H" || word === "--header") this.#expect = "header";
    else if (/^-u[^=:]+:/.test(word)) return this.#hashed(word, word.indexOf(":") + 1);
    else if (/^-p[^=]/.test(word) && (this.#attachedPassword || !OTHER_P_FLAG.test(word))) return this.#hashed(word, 2);
    else if (isCredentialFlag(name)) {
      if (equals >= 0) return BOOLEAN.test(word.slice(equals + 1)) ? word : this.#hashed(word, equals + 1);
      this.#expect = "secret";
    } else if (equals >= 0) return word.slice(0, equals + 1) + this.#plain(word.slice(equals + 1));
    return this.#plain(word);
  }

  /** A word that is no flag, or the value of one that is no credential's. */
  #plain(word: string): string {
    if (SCHEME.test(word)) this.#expect = "secret";
    for (let at = word.indexOf("="); at >= 0; at = word.indexOf("=", at + 1)) {
      if (!isCredentialName(nameBefore(word, at))) continue;
      return scrub(word.slice(0, at + 1), this.replace) + this.#hashed(word.slice(at + 1), 0);
    }
    if (word.endsWith(":") && isCredentialName(nameBefore(word, word.length - 1))) this.#expect = "scheme";
    return scrub(word, this.replace);
  }

  /** The word with what follows `from` hashed, except for quotes around it: the hash is that of the same value without. */
  #hashed(word: string, from: number): string {
    let start = from;
    while (start < word.length && QUOTES.includes(word[start])) start++;
    let end = word.length;
    while (end > start && QUOTES.includes(word[end - 1])) end--;
    if (end === start) return word;
    return word.slice(0, start) + this.replace(word.slice(start, end), "argument") + word.slice(end);
  }
}

const SPACE = /\s/;
/** How the value of an Authorization header begins. */
const SCHEME = /^(?:bearer|basic|token|apikey)$/i;
const BOOLEAN = /^(?:true|false)$/;
const QUOTES = "\"'`";

/** Whether a word begins with `NAME=` or `--flag=` of a credential: all that follows is its value. */
function isAssignment(word: string): boolean {
  const equals = word.indexOf("=");
  const name = word.slice(0, Math.max(equals, 0));
  if (name === "" || SPACE.test(name)) return false;
  return name.startsWith("-") ? isCredentialFlag(name.replace(/^-+/, "")) : isCredentialName(nameBefore(name, equals));
}

/** The name that ends before `end`; one that is longer than any name is cut. */
function nameBefore(word: string, end: number): string {
  let start = end;
  while (start > 0 && end - start < MAX_NAME + 1 && /[\w.[\]-]/.test(word[start - 1])) start--;
  return word.slice(start, end);
}

/** Splits shell text into words and the white space between; white space within quotes does not split. */
export function shellTokens(text: string): string[] {
  const tokens: string[] = [];
  let start = 0;
  let quote = "";
  let blank = SPACE.test(text[0] ?? "");
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    const isBlank = quote === "" && SPACE.test(char);
    if (isBlank !== blank) {
      tokens.push(text.slice(start, at));
      start = at;
      blank = isBlank;
    }
    if (quote === "" && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = "";
  }
  if (start < text.length) tokens.push(text.slice(start));
  return tokens;
}
