import type { NumberComparison, TimePart } from "../../tree.js";
import type { Part } from "./pattern.js";

/** What a rule asks of a field, after its modifiers were applied. */
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
  /** One of them is enough, however the values around are linked. */
  | { readonly type: "oneOf"; readonly values: readonly Value[] };

export interface TextValue {
  readonly type: "text";
  readonly parts: readonly Part[];
  /** Its case matters. */
  readonly cased?: boolean;
  /** The bytes that it was encoded to, which need not be valid UTF-8. */
  readonly bytes?: Buffer;
}

export interface RegexValue {
  readonly type: "regex";
  readonly pattern: string;
  /** Some of `i`, `m` and `s`. */
  readonly flags: string;
}

export interface FieldValue {
  readonly type: "field";
  readonly name: string;
  readonly compare: "equals" | "contains" | "startsWith" | "endsWith";
  readonly cased?: boolean;
}
