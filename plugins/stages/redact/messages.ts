import { type Replace, scrubShort } from "./text.js";

/**
 * The message of a failure without the values that it quotes. Quoted words that say who, what and where stay. They are recognised
 * by the word before or after them, as in the API server's own errors: `User "a" cannot get resource "b"`, `pods "c" not found`.
 */
export function scrubMessage(text: string, replace: Replace): string {
  const value = VALUE.exec(text);
  const end = value === null ? text.length : value.index + value[0].length;
  const quoted = text.slice(0, end).replace(QUOTED, (quote: string, double: string, single: string, at: number) => {
    const inner = double ?? single;
    if (inner.length === 0 || (double === undefined && inner.length < 4)) return quote;
    const isName = double === undefined ? isPolicy(text, at) : isNamed(text, at, at + quote.length);
    return isName ? quote : quote[0] + replace(unquoted(inner), "message") + quote[0];
  });
  const rest = text.slice(end);
  return scrubShort(quoted, replace) + (rest === "" ? rest : replace(rest, "message"));
}

/** Phrases followed by a value of the request without quotes, whose end cannot be told. */
const VALUE =
  /(?:(?:Invalid|Unsupported|Duplicate) value: (?!")|json parse error: |error (?:decoding|unmarshaling|converting)[^:]{0,40}: |error found in #\d+ byte of |yaml: |cannot unmarshal |expected [a-z ()]{1,40}, got )/;
/** Text in Go's quotes, or in single quotes around one or more whole words. */
const QUOTED = /"((?:[^"\\]+|\\[\s\S]?)*)(?:"|$)|(?<=[\s(:=])'([^']*)'(?=[\s),.;:]|$)/g;

const NAMED_BEFORE =
  /(?:^|[\s;:(])(?:user|resource|group|namespace|kind|version|verb|role|clusterrole|rolebinding|clusterrolebinding|serviceaccount|finalizer|webhook|plugin|policy|binding|field|subresource|plural|scope|hook) $/i;
/** A resource or kind before the name of an object. */
const OBJECT_BEFORE = /(?:^|: )[\w.-]+ $/;
const OBJECT_BEHIND = /^ (?:not found|already exists|is forbidden|is invalid|denied)|^: the object has been modified/;
const CONFLICT_BEFORE = /cannot be fulfilled on [\w.-]+ $/;
/** Characters looked at before and after a quoted word; real names are not longer. */
const CONTEXT = 64;

/** `ValidatingAdmissionPolicy 'a' with binding 'b' denied request`. */
const POLICY_BEFORE = /(?:AdmissionPolicy| with binding) $/;

const isPolicy = (text: string, at: number): boolean => POLICY_BEFORE.test(text.slice(Math.max(0, at - CONTEXT), at));

function isNamed(text: string, start: number, end: number): boolean {
  const before = text.slice(Math.max(0, start - CONTEXT), start);
  if (NAMED_BEFORE.test(before) || CONFLICT_BEFORE.test(before)) return true;
  return OBJECT_BEFORE.test(before) && OBJECT_BEHIND.test(text.slice(end, end + CONTEXT));
}

/** The text that Go quoted. */
function unquoted(text: string): string {
  if (!text.includes("\\")) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}
