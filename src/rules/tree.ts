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
  /**
   * True if there is a value other than null; of an object: if there is one anywhere in it. Of named values also: if there is such
   * a member, whatever its value, or a null.
   */
  | { readonly op: "exists"; readonly what?: "member" | "null" }
  | TextTestOf
  | NamedValueTest;

/** What Sigma's rules ask further. What is no number, address or time is not what they look for; nothing fails. */
export type NamedValueTest =
  | { readonly op: "numeric"; readonly compare: NumberComparison; readonly value: number }
  /** An IP address in a network in CIDR notation. */
  | { readonly op: "inNetwork"; readonly network: string }
  /** A part of an RFC 3339 time, in UTC. */
  | { readonly op: "timePart"; readonly part: TimePart; readonly compare: NumberComparison; readonly value: number }
  /** A comparison with a value that lies elsewhere, whose text counts in the same case. */
  | {
      readonly op: "likeValue";
      readonly compare: "equals" | "contains" | "startsWith" | "endsWith";
      readonly of: readonly ValuesSource[];
    };

/** `week` is that of ISO 8601. */
export type TimePart = "minute" | "hour" | "day" | "week" | "month" | "year";

/** What Falco's rules ask further of a text. Letters that are ignored in case are those of ASCII. */
export type TextTestOf =
  | { readonly op: "startsWith" | "endsWith" | "containsAnyCase"; readonly text: string }
  /** The whole text is like the pattern: fnmatch(3) without flags. */
  | { readonly op: "glob"; readonly pattern: string; readonly anyCase: boolean }
  /** The whole text matches an RE2 pattern. */
  | { readonly op: "matchesWhole"; readonly pattern: string }
  /** A path that one of these, globs in their parts, is a prefix of. */
  | { readonly op: "below"; readonly paths: readonly string[] }
  /** A whole number, of any size, and so is the value. */
  | { readonly op: "integer"; readonly compare: NumberComparison; readonly value: string }
  | { readonly op: "unequal"; readonly text: string }
  /** So many of the tests hold. */
  | { readonly op: "exactlyOne" | "anyOf" | "allOf"; readonly tests: readonly Exclude<Test, { op: "exists" }>[] }
  /** Of an extraction with several texts: all of them are among these, or one is. */
  | { readonly op: "allIn" | "someIn"; readonly texts: readonly string[] }
  /** A comparison with what the event says elsewhere. */
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
  /** What a stage has added under this name; where there is none, the event's own field, "" if that is unset. */
  | { readonly kind: "annotation"; readonly name: string; readonly field?: Field }
  /** Nothing is ever there. */
  | { readonly kind: "nothing" }
  | ExtractionSource
  | ValuesSource
  | StringsSource;

/**
 * All values that member names lead to, through arrays as if these were not there: a test asks whether it holds for one of them.
 * Neighbouring names may be joined by dots. There are no steps below them.
 */
export interface ValuesSource {
  readonly kind: "values";
  /** A field of the table, or the name of what a stage has added or of a member that the table does not have. */
  readonly root: Field | string;
  readonly names: readonly string[];
  /** Texts are compared in lower case: those of the test are. */
  readonly fold?: "lower";
}

/** Every string of the event, at any depth, but no key. */
export interface StringsSource {
  readonly kind: "strings";
  readonly fold?: "lower";
}

/** Texts by Falco's rules. There are no steps below them. */
export interface ExtractionSource {
  readonly kind: "extraction";
  readonly extraction: Extraction;
  /** It looks at requestObject or responseObject. */
  readonly inBody: boolean;
  /** Without this field there are no texts. */
  readonly root?: Field;
}

/** What is read off an event: a field's texts, and what is made of them (`extraction/`). */
export type Extraction =
  | {
      readonly type: "field";
      readonly name: string;
      readonly argument?: string;
      /** Has any number of texts, not just one. */
      readonly list?: boolean;
      /** It is the value of this field, or its items, and nothing else. */
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
  /** How many texts there are. */
  | "count"
  | "join"
  | "concat"
  | "getopt";

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
