import { Field } from "../../../plugin/index.js";
import { nearest } from "../../../plugin/nearest.js";
import { RECORDED_LEVELS, STAGES } from "../../audit-policy.js";
import type { Like } from "../../reader.js";
import { type Expression, type Path, show, type TestNode, testsOf } from "../../tree.js";
import { isBareArray, unknownField } from "./fields.js";
import type { Token } from "./lexer.js";
import { parse } from "./parser.js";

/** For one condition. */
const MAX_WARNINGS = 20;

export interface WarningOptions {
  readonly like: Like;
  /** The condition with macros inserted without parentheses. */
  bareTokens(): readonly Token[];
}

/** Warnings about what is allowed in a condition, but hardly what was meant. */
export function conditionWarnings(
  expression: Expression,
  tokens: readonly Token[],
  { like, bareTokens }: WarningOptions,
): string[] {
  const warnings = new Set<string>();
  const asRead = show(expression);
  const conventional = show(parse(tokens, { conventional: true }));
  if (conventional !== asRead) {
    warnings.add(
      `“and” and “or” bind alike here, and “not” takes all that follows: it is read as ${short(asRead)}, not as ` +
        `${short(conventional)}; parentheses make it plain.`,
    );
  }
  const bare = reading(bareTokens);
  if (bare !== undefined && bare !== asRead) {
    warnings.add(
      `Macros count as if in parentheses: it is read as ${short(asRead)}; KubeSphere's own engine reads ${short(bare)}.`,
    );
  }
  for (const test of testsOf(expression)) {
    for (const warning of testWarnings(test, like)) warnings.add(warning);
    if (warnings.size >= MAX_WARNINGS) break;
  }
  return [...warnings];
}

/** How the tokens are read, as text; undefined if they form no condition. */
function reading(tokens: () => readonly Token[]): string | undefined {
  try {
    return show(parse(tokens()));
  } catch {
    return undefined;
  }
}

function* testWarnings({ path, test, text }: TestNode, like: Like): Generator<string> {
  const unknown = unknownField(path);
  if (unknown) yield unknown;
  if (isBareArray(path) && (test.op === "equals" || test.op === "in")) {
    yield `${path.text} is an array, which = and in compare as the text “[a b]”; use ${path.text}[*] for its items.`;
  }
  for (const text of test.op === "equals" ? [test.text] : test.op === "in" ? test.texts : []) {
    const impossible = impossibleValue(path, text);
    if (impossible) yield impossible;
  }
  const pattern = like === "upstream" ? / like "(.*)"$/s.exec(text)?.[1] : undefined;
  if (pattern !== undefined && (/^[^*^]/.test(pattern) || /[^*$]$/.test(pattern))) {
    yield `like "${short(pattern)}" is found anywhere in ${path.text}, as KubeSphere's engine has it, not only from its start to ` +
      `its end, as its documentation does; use regex with ^ and $ to pin it, or rules.like: anchored.`;
  }
}

/** A warning about a value that a field never has. */
function impossibleValue({ text: name, source, steps }: Path, value: string): string | undefined {
  if (source.kind !== "field" || steps.length > 0 || value === "") return undefined;
  if (source.fold === "lower" && value !== value.toLowerCase())
    return `${name} is in lower case; no event has “${short(value)}”, write “${short(value.toLowerCase())}”.`;
  const known = source.field === Field.level ? RECORDED_LEVELS : source.field === Field.stage ? STAGES : undefined;
  if (known === undefined || (known as readonly string[]).includes(value)) return undefined;
  const suggestion = nearest(value, known);
  return `No event has the ${name} “${short(value)}”${suggestion ? `; did you mean ${suggestion}?` : `, but ${known.join(", ")}.`}`;
}

function short(text: string): string {
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
