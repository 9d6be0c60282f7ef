import type { Field } from "../plugin/index.js";

/**
 * A condition as data, whatever dialect it was written in. Readers (`dialects/`) make trees; the interpreter and the compiler give
 * them their meaning.
 */
export type Expression =
  | { readonly type: "and" | "or"; readonly operands: readonly Expression[] }
  | { readonly type: "not"; readonly operand: Expression }
  | TestNode;

/**
 * One test of one value. For a missing value the outcome is "no", even if the test is negated; `facets.ts` and `needs.ts` rely on
 * that to rule tests out.
 */
export interface TestNode {
  readonly type: "test";
  readonly path: Path;
  readonly test: Test;
  /** Negates the test if the value is present (`!=`, `not in`). */
  readonly negated: boolean;
  /** The test as written, for warnings and explanations. */
  readonly text: string;
}

/** A test of a value's text. Numbers, booleans and arrays have a text too (`text.ts`). */
export type Test =
  | { readonly op: "equals" | "contains"; readonly text: string }
  | { readonly op: "less" | "lessOrEqual" | "greater" | "greaterOrEqual"; readonly text: string }
  /** Compares both sides as numbers; a text that is not a number fails the rule. */
  | { readonly op: "number"; readonly compare: NumberComparison; readonly value: number }
  /** Compares the text as a boolean; a text that is not one fails the rule. */
  | { readonly op: "boolean"; readonly value: boolean }
  | { readonly op: "in"; readonly texts: readonly string[] }
  /** An unanchored RE2 pattern. */
  | { readonly op: "matches"; readonly pattern: string }
  /**
   * True if there is a value other than null; for an object, if there is one anywhere in it. For named values `what` can ask
   * instead whether there is such a member, whatever its value, or a null.
   */
  | { readonly op: "exists"; readonly what?: "member" | "null" }
  | TextTestOf
  | NamedValueTest;

/** Further tests of Sigma's rules. A text that is not a number, address or time does not match; nothing fails. */
export type NamedValueTest =
  | { readonly op: "numeric"; readonly compare: NumberComparison; readonly value: number }
  /** An IP address in a network in CIDR notation. */
  | { readonly op: "inNetwork"; readonly network: string }
  /** A part of an RFC 3339 time, in UTC. */
  | { readonly op: "timePart"; readonly part: TimePart; readonly compare: NumberComparison; readonly value: number }
  /** A comparison with a value elsewhere in the event, whose text is folded the same way. */
  | {
      readonly op: "likeValue";
      readonly compare: "equals" | "contains" | "startsWith" | "endsWith";
      readonly of: readonly ValuesSource[];
    };

/** `week` is the week of ISO 8601. */
export type TimePart = "minute" | "hour" | "day" | "week" | "month" | "year";

/** Further tests of Falco's rules. Where they ignore case, they do so for ASCII letters only. */
export type TextTestOf =
  | { readonly op: "startsWith" | "endsWith" | "containsAnyCase"; readonly text: string }
  /** The whole text matches the pattern: fnmatch(3) without flags. */
  | { readonly op: "glob"; readonly pattern: string; readonly anyCase: boolean }
  /** The whole text matches an RE2 pattern. */
  | { readonly op: "matchesWhole"; readonly pattern: string }
  /** A path that has one of these as a prefix; their parts are globs. */
  | { readonly op: "below"; readonly paths: readonly string[] }
  /** Compares whole numbers of any size; both sides must be one. */
  | { readonly op: "integer"; readonly compare: NumberComparison; readonly value: string }
  | { readonly op: "unequal"; readonly text: string }
  /** Exactly one, any or all of the tests hold. */
  | { readonly op: "exactlyOne" | "anyOf" | "allOf"; readonly tests: readonly Exclude<Test, { op: "exists" }>[] }
  /** For an extraction with several texts: all of them are among these, or at least one is. */
  | { readonly op: "allIn" | "someIn"; readonly texts: readonly string[] }
  /** A comparison with another value of the event. */
  | { readonly op: "compared"; readonly compare: Comparison; readonly numbers: boolean; readonly with: Extraction };

/** How two extracted texts may be compared. */
export type Comparison =
  | NumberComparison
  | "contains"
  | "containsAnyCase"
  | "startsWith"
  | "endsWith"
  | "glob"
  | "globAnyCase"
  | "same"
  | "allIn"
  | "someIn";

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
  /** What a stage added under this name; if there is nothing, the event's own field, or "" if that is unset. */
  | { readonly kind: "annotation"; readonly name: string; readonly field?: Field }
  /** Never has a value. */
  | { readonly kind: "nothing" }
  | ExtractionSource
  | ValuesSource
  | StringsSource;

/**
 * All values that member names lead to, passing through arrays: a test asks whether it holds for one of them. Neighbouring names
 * may be joined by dots. There are no steps below them.
 */
export interface ValuesSource {
  readonly kind: "values";
  /** A field of the table, or the name of something that a stage added or of a member that the table lacks. */
  readonly root: Field | string;
  readonly names: readonly string[];
  /** Texts are compared in lower case; the test's texts are in lower case already. */
  readonly fold?: "lower";
}

/** Every string of the event at any depth, except keys. */
export interface StringsSource {
  readonly kind: "strings";
  readonly fold?: "lower";
}

/** Texts extracted for Falco's rules. There are no steps below them. */
export interface ExtractionSource {
  readonly kind: "extraction";
  readonly extraction: Extraction;
  /** It reads requestObject or responseObject. */
  readonly inBody: boolean;
  /** Without this field there are no texts. */
  readonly root?: Field;
}

/** What is read from an event: a field's texts, and what is derived from them (`extraction/`). */
export type Extraction =
  | {
      readonly type: "field";
      readonly name: string;
      readonly argument?: string;
      /** Has any number of texts, not just one. */
      readonly list?: boolean;
      /** It is exactly the value of this field, or its items. */
      readonly field?: Field;
    }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "list"; readonly parts: readonly Extraction[] }
  | {
      readonly type: "transform";
      readonly name: Transformer;
      readonly parts: readonly Extraction[];
      readonly argument?: string;
    };

export type Transformer =
  | "tolower"
  | "toupper"
  | "basename"
  | "b64"
  /** A text's length in bytes. */
  | "len"
  /** The number of texts. */
  | "count"
  | "join"
  | "concat"
  | "getopt";

export interface FieldSource {
  readonly kind: "field";
  readonly field: Field;
  /** The value is compared in lower case, or as a UTC time with six decimals. */
  readonly fold?: "lower" | "utc";
  /** The value is "" when unset (null or missing), provided that the object `within` is present. */
  readonly unset?: { readonly within?: Field };
  /** The object itself counts as a value, even an empty one. */
  readonly struct?: boolean;
}

export type Step =
  /**
   * Members by name. A name may be joined to the ones after it: `labels.tier.level` also finds `{"labels": {"tier.level": …}}`.
   * This applies only outside of arrays.
   */
  | { readonly type: "members"; readonly names: readonly string[] }
  /** One member of an array's item. An item without it is skipped. */
  | { readonly type: "member"; readonly name: string }
  /** Items [from, to) of an array: all of them must pass, or any. An empty range never passes. */
  | { readonly type: "items"; readonly from: number; readonly to: number; readonly all: boolean };

/** A condition's answer for an event. A rule that fails does not match, and is counted. */
export enum Outcome {
  no,
  yes,
  failed,
}

/** `not`; a failure stays a failure. */
export function invert(outcome: Outcome): Outcome {
  return outcome === Outcome.failed ? outcome : outcome === Outcome.yes ? Outcome.no : Outcome.yes;
}

/** Every test in a tree, in the order written. */
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
