/**
 * Translates a pattern from RE2's POSIX syntax to its usual syntax, for matching a whole text: no Perl classes, no groups but `(
 * )`, no lazy repetition (`a+?` is `(a+)?`), and `^` and `$` match at every line's end. Throws an Error that says what is wrong.
 */
export function fromPosix(pattern: string): string {
  let result = "";
  /** Where the element begins that a repetition would repeat; whether that is a repetition already. */
  let atom = 0;
  let repeated = false;
  const groups: number[] = [];
  const add = (text: string): void => {
    atom = result.length;
    repeated = false;
    result += text;
  };
  for (let at = 0; at < pattern.length; ) {
    const char = pattern[at];
    const repetition = /^(?:[*+?]|\{\d+(?:,\d*)?\})/.exec(pattern.slice(at))?.[0];
    if (repetition) {
      if (repeated) result = `${result.slice(0, atom)}(?:${result.slice(atom)})`;
      result += repetition;
      repeated = true;
      at += repetition.length;
    } else if (char === "(") {
      if (pattern[at + 1] === "?") throw new Error("(?…) is no POSIX syntax");
      groups.push(result.length);
      result += "(";
      atom = result.length;
      repeated = false;
      at++;
    } else if (char === ")") {
      const start = groups.pop();
      if (start === undefined) throw new Error("unexpected )");
      result += ")";
      atom = start;
      repeated = false;
      at++;
    } else if (char === "\\") {
      const found = escapeAt(pattern, at);
      add(found);
      at += found.length;
    } else if (char === "[") {
      const end = classEnd(pattern, at);
      add(pattern.slice(at, end));
      at = end;
    } else {
      const whole = String.fromCodePoint(pattern.codePointAt(at) ?? 0);
      add(char === "{" ? "\\{" : whole);
      at += whole.length;
    }
  }
  if (groups.length > 0) throw new Error("missing closing )");
  return `(?m)${result}`;
}

/** A `\` and what belongs to it: punctuation, an octal or hexadecimal number, or one of n, t, r, f, v, a. */
function escapeAt(pattern: string, at: number): string {
  const found = /^\\(?:[!-/:-@[-^`{-~\s]|0[0-7]{0,2}|[1-7][0-7]{1,2}|x[0-9a-fA-F]{2}|x\{[0-9a-fA-F]+\}|[ntrfva])/.exec(
    pattern.slice(at),
  );
  if (!found) throw new Error(`invalid escape sequence ${pattern.slice(at, at + 2)}`);
  return found[0];
}

/** The position after the ] of a class. */
function classEnd(pattern: string, start: number): number {
  let at = start + 1;
  if (pattern[at] === "^") at++;
  if (pattern[at] === "]") at++;
  while (at < pattern.length && pattern[at] !== "]") {
    const named = /^\[:\^?[a-z]+:\]/.exec(pattern.slice(at));
    if (named) at += named[0].length;
    else at += pattern[at] === "\\" ? escapeAt(pattern, at).length : 1;
  }
  if (at >= pattern.length) throw new Error("missing closing ]");
  return at + 1;
}
