import type { Test } from "../../tree.js";

/** A piece of a Sigma string: plain text, `*`, `?`, or any of the dashes that stand for each other. */
export type Part = string | typeof MANY | typeof ONE | typeof DASH;

const MANY = { matches: "[\\s\\S]*" } as const;
export const ONE = { matches: "[\\s\\S]" } as const;
export const DASH = { matches: "[-/\u2013\u2014\u2015]" } as const;
/** The characters that `windash` treats as the same. */
export const DASHES = ["-", "/", "\u2013", "\u2014", "\u2015"];

/**
 * Splits a string at its wildcards. A backslash before `*`, `?` or another backslash makes it a plain character; any other
 * backslash is plain itself.
 */
export function parsePattern(text: string): Part[] {
  const parts: Part[] = [];
  for (const [token] of text.matchAll(/\\[*?\\]|[*?]|[^\\*?]+|\\/g)) {
    if (token === "*") parts.push(MANY);
    else if (token === "?") parts.push(ONE);
    else parts.push(/^\\[*?\\]$/.test(token) ? token[1] : token);
  }
  return joined(parts);
}

/** Joins neighbouring texts, and neighbouring `*`. */
export function joined(parts: readonly Part[]): Part[] {
  const result: Part[] = [];
  let text = "";
  const flush = () => {
    if (text !== "") result.push(text);
    text = "";
  };
  for (const part of parts) {
    if (typeof part === "string") {
      text += part;
      continue;
    }
    flush();
    if (part !== MANY || result[result.length - 1] !== MANY) result.push(part);
  }
  flush();
  return result;
}

/** The text of parts without wildcards; undefined if there are any. */
export function plainText(parts: readonly Part[]): string | undefined {
  return parts.every((part) => typeof part === "string") ? parts.join("") : undefined;
}

/** Adds `*` before or after the parts, as asked. */
export function between(parts: readonly Part[], before: boolean, after: boolean): Part[] {
  return joined([...(before ? [MANY] : []), ...parts, ...(after ? [MANY] : [])]);
}

/** The test that corresponds to a pattern. A pattern of nothing but `*` asks whether there is a value. */
export function patternTest(parts: readonly Part[]): Exclude<Test, { op: "likeValue" }> {
  const text = plainText(parts);
  if (text !== undefined) return { op: "equals", text };
  const isOpen = [parts[0] === MANY, parts[parts.length - 1] === MANY] as const;
  const inner = parts.filter((part) => part !== MANY);
  if (inner.length === 0) return { op: "exists" };
  const [only] = inner;
  if (inner.length === 1 && typeof only === "string") {
    if (isOpen[0] && isOpen[1]) return { op: "contains", text: only };
    return { op: isOpen[0] ? "endsWith" : "startsWith", text: only };
  }
  return { op: "matches", pattern: patternOf(parts, isOpen) };
}

function patternOf(parts: readonly Part[], [before, after]: readonly [boolean, boolean]): string {
  const middle = parts.slice(before ? 1 : 0, after ? -1 : undefined);
  const pattern = middle.map((part) => (typeof part === "string" ? quote(part) : part.matches)).join("");
  return `${before ? "" : "^"}${pattern}${after ? "" : "$"}`;
}

function quote(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&");
}
