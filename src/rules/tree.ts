import type { Field } from "../plugin/index.js";

/**
 * A condition as data, whatever dialect it was written in. Readers (`dialects/`) make trees, the interpreter and the
 * compiler give them their meaning.
 */
export type Expression =
  | { readonly type: "and" | "or"; readonly operands: readonly Expression[] }
  | { readonly type: "not"; readonly operand: Expression }
  | TestNode;

/**
 * One test of one value. A missing value makes it false, negated or not; `facets.ts` and `needs.ts` rule tests out by that.
 */
export interface TestNode {
  readonly type: "test";
  readonly path: Path;
  readonly test: Test;
  /** Negates the test of a value that is there (`!=`, `not in`). */
  readonly negated: boolean;
  /** The test as written, for warnings and explanations. */
  readonly text: string;
}

/** What is asked of a value's text. Numbers, booleans and arrays have a text too (`text.ts`). */
export type Test =
  | { readonly op: "equals" | "contains"; readonly text: string }
  | { readonly op: "less" | "lessOrEqual" | "greater" | "greaterOrEqual"; readonly text: string }
  /** Both sides as numbers; a text that is none fails the rule. */
  | { readonly op: "number"; readonly compare: NumberComparison; readonly value: number }
  /** The text as a boolean; a text that is none fails the rule. */
  | { readonly op: "boolean"; readonly value: boolean }
  | { readonly op: "in"; readonly texts: readonly string[] }
  /** An unanchored RE2 pattern. */
  | { readonly op: "matches"; readonly pattern: string }
  /** True if there is a value other than null; of an object: if there is one anywhere in it. */
  | { readonly op: "exists" };

export type NumberComparison = "=" | "!=" | "<" | "<=" | ">" | ">=";

/** Where a value lies: a source, and steps below it. */
export interface Path {
  /** As written. */
  readonly text: string;
  readonly source: Source;
  readonly steps: readonly Step[];
}

export type Source =
  | FieldSource
  /** stageTimestamp − requestReceivedTimestamp in milliseconds. */
  | { readonly kind: "latency" }
  /** What a stage has added under this name; where there is none, the event's own field, "" if that is unset. */
  | { readonly kind: "annotation"; readonly name: string; readonly field?: Field }
  /** Nothing is ever there. */
  | { readonly kind: "nothing" };

export interface FieldSource {
  readonly kind: "field";
  readonly field: Field;
  /** The value is compared in lower case, or as a UTC time with six digits. */
  readonly fold?: "lower" | "utc";
  /** The value is "" when unset (null or absent), provided that the object `within` is there. */
  readonly unset?: { readonly within?: Field };
  /** The object itself counts as a value, even an empty one. */
  readonly struct?: boolean;
}

export type Step =
  /**
   * Members by name, each name with the ones behind it: `labels.tier.level` finds `{"labels": {"tier.level": …}}` too.
   * Only what lies outside of arrays is looked up so.
   */
  | { readonly type: "members"; readonly names: readonly string[] }
  /** One member of an array's item. An item without it is skipped. */
  | { readonly type: "member"; readonly name: string }
  /** Items [from, to) of an array: all of them must pass, or any. None at all never passes. */
  | { readonly type: "items"; readonly from: number; readonly to: number; readonly all: boolean };

/** What a condition says of an event. A rule that fails does not match, and is counted. */
export enum Outcome {
  no,
  yes,
  failed,
}

/** `not`, which leaves a failure one. */
export function invert(outcome: Outcome): Outcome {
  return outcome === Outcome.failed ? outcome : outcome === Outcome.yes ? Outcome.no : Outcome.yes;
}

/** Every test in a tree, in the order they stand in. */
export function* testsOf(expression: Expression): Generator<TestNode> {
  const open = [expression];
  for (let next = open.pop(); next; next = open.pop()) {
    if (next.type === "test") yield next;
    else if (next.type === "not") open.push(next.operand);
    else open.push(...[...next.operands].reverse());
  }
}

/** The tree as text with every grouping in parentheses: `(a = 1 or b = 2) and not (c = 3)`. */
export function show(expression: Expression): string {
  if (expression.type === "test") return expression.text;
  if (expression.type === "not") return `not (${show(expression.operand)})`;
  return expression.operands
    .map((operand) => (operand.type === "and" || operand.type === "or" ? `(${show(operand)})` : show(operand)))
    .join(` ${expression.type} `);
}
