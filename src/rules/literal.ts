import type { Needle } from "./automaton.js";

/**
 * Texts of which one is in every match of an RE2 pattern, the longest that are easy to see; none if there are no such. Looks at what
 * stands side by side, and at groups of plain alternatives there; a pattern with other alternatives or flags has none.
 */
export function literalsOf(pattern: string): readonly Needle[] {
  if (pattern.length > MAX_LENGTH) return [];
  let best: readonly Needle[] = [];
  /** What was just passed, in each way that it may be spelt. */
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

/** Longer patterns are not looked at. */
const MAX_LENGTH = 1000;
/** Most texts that are told apart. */
const MAX_TEXTS = 16;

/** One thing at the start of a pattern; what is not here (alternatives, flags, odd escapes) has no literal. */
const ATOM =
  /^(?<all>(?<begin>\^)|(?<end>\$)|(?<group>\((?!\?[^:]))|\.|(?<set>\[\^?\]?(?:[^[\]\\]|\\[^\n]|\[:\^?\w+:\])*\])|\\[dDwWsSbB]|\\(?<escaped>[!-/:-@[-`{-~])|(?<plain>[^\\|()[\]{}*+?^$.]))/u;

/** What a group of nothing but plain alternatives stands for; none for everything else. */
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

/** The length of the group that begins at `at`, brackets and all; undefined if it is one with flags, or not simple. */
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
