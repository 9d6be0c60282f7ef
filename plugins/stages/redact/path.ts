/** A step of a path: a member, an item, any of these, or any number of them. */
export type Step = string | number | typeof ANY | typeof DEEP;
/** Longer paths are refused. */
const MAX_LENGTH = 1000;
export const ANY = Symbol("*");
export const DEEP = Symbol("..");

/**
 * Reads a path in an object: `spec.users[*].password`, `metadata.annotations["a.b/c"]`, `spec.*`, `spec..token`; it may begin with
 * `$.`. Throws an error that says what is wrong, and at which character.
 */
export function parsePath(text: string): readonly Step[] {
  if (text.length > MAX_LENGTH) throw new Error(`a path of ${text.length} characters, more than ${MAX_LENGTH}`);
  const steps: Step[] = [];
  let at = text.startsWith("$") ? 1 : 0;
  while (at < text.length) {
    const match = matchAt(DEEP_STEP, text, at) ?? matchAt(MEMBER_STEP, text, at) ?? matchAt(ITEM_STEP, text, at);
    if (match === undefined || (at > 0 && match[0] === match[1])) {
      throw new Error(
        `the path ${JSON.stringify(text)} cannot be read from character ${at + 1} on; write a.b[*]["c.d"]..e`,
      );
    }
    const [all, name, quoted] = match;
    if (all.startsWith("..")) steps.push(DEEP);
    if (quoted !== undefined)
      steps.push(/^\d+$/.test(quoted) ? Number(quoted) : quoted === "*" ? ANY : quoted.slice(1, -1));
    else steps.push(name === "*" ? ANY : name);
    at += all.length;
  }
  if (steps.length === 0) throw new Error("a path names at least one member");
  return steps;
}

const DEEP_STEP = /\.\.([^.[\]"'\s]+)/y;
const MEMBER_STEP = /\.?([^.[\]"'\s]+)/y;
const ITEM_STEP = /\[()(\*|\d+|"[^"]+"|'[^']+')\]/y;

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}
