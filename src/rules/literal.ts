import type { Needle } from "./automaton.js";

/**
 * A text that every match of an RE2 pattern holds, the longest that is easy to see; undefined if none is. Looks at what
 * stands side by side outside of groups; a pattern with alternatives or flags has no such text.
 */
export function literalOf(pattern: string): Needle | undefined {
  if (pattern.length > MAX_LENGTH) return undefined;
  let best: Needle | undefined;
  let text = "";
  let begins = false;
  const end = (ends: boolean) => {
    if (text.length > (best?.text.length ?? 0)) best = { text, begins, ends };
    text = "";
    begins = false;
  };
  let at = 0;
  while (at < pattern.length) {
    const atom = ATOM.exec(pattern.slice(at))?.groups;
    if (atom === undefined) return undefined;
    const length = atom.group === undefined ? atom.all.length : groupLength(pattern, at);
    if (length === undefined) return undefined;
    at += length;
    const [repeat = ""] = /^(?:[*+?]|\{\d+(?:,\d*)?\})\??/.exec(pattern.slice(at)) ?? [];
    at += repeat.length;
    const literal = atom.plain ?? atom.escaped;
    if (atom.begin !== undefined || atom.end !== undefined) {
      if (repeat !== "") return undefined;
      end(atom.end !== undefined);
      begins = atom.begin !== undefined;
    } else if (literal === undefined || (repeat !== "" && !repeat.startsWith("+"))) {
      end(false);
    } else {
      text += literal;
      if (repeat !== "") end(false);
    }
  }
  end(false);
  return best;
}

/** Longer patterns are not looked at. */
const MAX_LENGTH = 1000;

/** One thing at the start of a pattern; what is not here (alternatives, flags, odd escapes) has no literal. */
const ATOM =
  /^(?<all>(?<begin>\^)|(?<end>\$)|(?<group>\((?!\?[^:]))|\.|(?<set>\[\^?\]?(?:[^[\]\\]|\\[^\n]|\[:\^?\w+:\])*\])|\\[dDwWsSbB]|\\(?<escaped>[!-/:-@[-`{-~])|(?<plain>[^\\|()[\]{}*+?^$.]))/u;

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
