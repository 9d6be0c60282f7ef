import type { Field } from "../plugin/index.js";
import { onlyField } from "./extraction/extraction-test.js";
import { foldCondition, isOutcome, type Knowledge } from "./fold.js";
import { lowerText } from "./text.js";
import { textTest } from "./text-test.js";
import { type Expression, Outcome, type TestNode, testsOf } from "./tree.js";
import { ownField } from "./values.js";

/** Stands for any value that no test names. */
export const OTHER = Symbol("other");

/** What is known of a kind of event; everything not given here is possible. */
export interface Scenario {
  /** Values of fields. */
  readonly values: ReadonlyMap<Field, string | typeof OTHER>;
  /** Fields that such events lack. */
  readonly absent?: ReadonlySet<Field>;
}

/** False if no such event can match. */
export function canMatch(condition: Expression, { values, absent }: Scenario): boolean {
  const known: Knowledge = { outcomes: new Map(), refuted: new Set() };
  for (const test of testsOf(condition)) {
    const field = fieldOf(test);
    const value = field === undefined ? undefined : values.get(field);
    const root = rootOf(test);
    const isAbsent = root !== undefined && absent?.has(root);
    const outcome = isAbsent ? Outcome.no : value === undefined ? undefined : outcomeOf(test, value);
    if (outcome !== undefined) known.outcomes.set(test, outcome);
  }
  const rest = foldCondition(condition, known);
  return !isOutcome(rest) || rest === Outcome.yes;
}

/** The texts that a condition compares a field with. */
export function textsOf(condition: Expression, field: Field): Set<string> {
  const texts = new Set<string>();
  for (const node of testsOf(condition)) if (fieldOf(node) === field) for (const text of wanted(node)) texts.add(text);
  return texts;
}

/** The field whose whole value a test reads, if it reads nothing else. */
function fieldOf({ path: { source, steps }, test }: TestNode): Field | undefined {
  if (source.kind === "field" && steps.length === 0) return source.field;
  return source.kind === "values" ? ownField(source, test) : onlyField(source, test);
}

/** The field without which a test finds nothing. */
function rootOf({ path: { source } }: TestNode): Field | undefined {
  if (source.kind === "field") return source.field;
  if (source.kind === "values") return typeof source.root === "string" ? undefined : source.root;
  return source.kind === "extraction" ? source.root : undefined;
}

function wanted({ test }: TestNode): readonly string[] {
  if (test.op === "equals") return [test.text];
  return test.op === "in" || test.op === "someIn" || test.op === "allIn" ? test.texts : [];
}

/** Undefined if the outcome cannot be told. */
function outcomeOf(node: TestNode, value: string | typeof OTHER): Outcome | undefined {
  const { test, negated, path } = node;
  // Except in KubeSphere's rules, an empty value counts as missing.
  if (path.source.kind === "values" && (value === "" || (test.op === "exists" && test.what === "null")))
    return Outcome.no;
  const texts = wanted(node);
  const seen = "fold" in path.source && path.source.fold === "lower" && value !== OTHER ? lowerText(value) : value;
  if (texts.length > 0) return texts.some((text) => text === seen) !== negated ? Outcome.yes : Outcome.no;
  if (typeof seen === "symbol" || test.op === "compared" || test.op === "likeValue") return undefined;
  if (test.op === "exists") return Outcome.yes;
  return test.op === "someIn" || test.op === "allIn" ? undefined : textTest(test, negated)(seen);
}
