import type { NumberComparison, TimePart } from "../../tree.js";
import type { Part } from "./pattern.js";

/** What a rule wants of a field, as the modifiers have made it. */
export type Value =
  | TextValue
  | { readonly type: "number"; readonly value: number; readonly text: string }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "null" }
  | RegexValue
  | { readonly type: "network"; readonly network: string }
  | { readonly type: "compare"; readonly compare: NumberComparison; readonly value: number; readonly part?: TimePart }
  | { readonly type: "exists"; readonly value: boolean }
  | FieldValue
  /** One of them is wanted, however the values around are linked. */
  | { readonly type: "oneOf"; readonly values: readonly Value[] };

export interface TextValue {
  readonly type: "text";
  readonly parts: readonly Part[];
  /** It counts in the case in which it is written. */
  readonly cased?: boolean;
  /** What it was encoded to, where that is not the UTF-8 of its parts. */
  readonly bytes?: Buffer;
}

export interface RegexValue {
  readonly type: "regex";
  readonly pattern: string;
  /** Of `i`, `m` and `s`. */
  readonly flags: string;
}

export interface FieldValue {
  readonly type: "field";
  readonly name: string;
  readonly compare: "equals" | "contains" | "startsWith" | "endsWith";
  readonly cased?: boolean;
}
