import type { Needle } from "./automaton.js";

/**
 * Texts of which at least one occurs in every match of an RE2 pattern: the longest that are easy to see, or none. It considers
 * letters that follow each other, and groups of plain alternatives among them. A pattern with other alternatives or with flags has
 * none.
 */
export function literalsOf(pattern: string): readonly Needle[] {
  if (pattern.length > MAX_LENGTH) return [];
  let best: readonly Needle[] = [];
  /** The run of literal text just passed, in each of its spellings. */
  let texts = [""];
  let begins = false;
  const end = (ends: boolean) => {
    if (shortest(texts) > shortest(best.map(({ text }) => text))) best = texts.map((text) => ({ text, begins, ends }));
    texts = [""];
    begins = false;
  };
  let at = 0;
  while (at < pattern.length) {
    const atom = ATOM.exec(pattern.slice(at))?.groups;
    if (atom === undefined) return [];
    const length = atom.group === undefined ? atom.all.length : groupLength(pattern, at);
    if (length === undefined) return [];
    const plain = atom.plain ?? atom.escaped;
    const spellings = plain === undefined ? alternativesOf(pattern.slice(at, at + length)) : [plain];
    at += length;
    const [repeat = ""] = /^(?:[*+?]|\{\d+(?:,\d*)?\})\??/.exec(pattern.slice(at)) ?? [];
    at += repeat.length;
    if (atom.begin !== undefined || atom.end !== undefined) {
      if (repeat !== "") return [];
      end(atom.end !== undefined);
      begins = atom.begin !== undefined;
    } else if (shortest(spellings) === 0 || (repeat !== "" && !repeat.startsWith("+"))) {
      end(false);
    } else {
      if (texts.length * spellings.length > MAX_TEXTS) end(false);
      texts = texts.flatMap((text) => spellings.map((spelling) => text + spelling));
      if (repeat !== "") end(false);
    }
  }
  end(false);
  return best;
}

const shortest = (texts: readonly string[]): number =>
  texts.length === 0 ? 0 : Math.min(...texts.map(({ length }) => length));

/** Longer patterns are skipped. */
const MAX_LENGTH = 1000;
/** Most spellings kept apart. */
const MAX_TEXTS = 16;

/**
 * One element at the start of a pattern. A pattern with an element that this does not match (alternatives, flags, unusual escapes)
 * has no literal.
 */
const ATOM =
  /^(?<all>(?<begin>\^)|(?<end>\$)|(?<group>\((?!\?[^:]))|\.|(?<set>\[\^?\]?(?:[^[\]\\]|\\[^\n]|\[:\^?\w+:\])*\])|\\[dDwWsSbB]|\\(?<escaped>[!-/:-@[-`{-~])|(?<plain>[^\\|()[\]{}*+?^$.]))/u;

/** The alternatives of a group that consists only of plain ones; none for any other. */
function alternativesOf(group: string): readonly string[] {
  const inner = /^\((?:\?:)?(?<inner>(?:[^\\|()[\]{}*+?^$.]|\\[!-/:-@[-`{-~]|\|)*)\)$/u.exec(group)?.groups?.inner;
  if (inner === undefined) return [];
  const texts = [""];
  for (const [letter] of inner.matchAll(/\\?./gsu)) {
    if (letter === "|") texts.push("");
    else texts[texts.length - 1] += letter.replace(/^\\/, "");
  }
  return texts;
}

/** The length of the group that begins at `at`, parentheses included; undefined if the group has flags or is not simple. */
function groupLength(pattern: string, at: number): number | undefined {
  let depth = 0;
  for (let i = at; i < pattern.length; ) {
    const rest = pattern.slice(i);
    const [token] = /^(?:\((?!\?[^:])|\)|\||[*+?{}]|[^\\()[\]])/u.exec(rest) ?? ATOM.exec(rest) ?? [""];
    if (token === "") return undefined;
    if (token === "(") depth++;
    if (token === ")") depth--;
    i += token.length;
    if (depth === 0) return i - at;
  }
  return undefined;
}
