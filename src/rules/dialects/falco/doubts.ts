import { isField } from "./operands.js";
import { TRANSFORMER_NAMES } from "./operators.js";
import type { WarningKind } from "./problems.js";
import type { At, Operand } from "./syntax.js";

/** Something that is allowed, but hardly what was meant. */
export interface Doubt {
  readonly kind: WarningKind;
  readonly message: string;
  readonly at: At;
}

/** True for the checks that upstream warns about (`filter_warning_resolver.cpp`). */
export function isUnsafe(left: Operand, operator: string): boolean {
  return left.type === "field" && /^(?:ka|jevt)\./.test(left.name) && EQUALITY.includes(operator);
}

const EQUALITY = ["=", "==", "!=", "in", "intersects", "pmatch"];

/** Warnings about constants that look like something else (`check_value_and_add_warnings`). */
export function doubtsOf(text: string, operator: string): string[] {
  const doubts: string[] = [];
  const plain = text.replace(/\s/g, "");
  if (operator === "regex" && !/[.+*?^$()[\]{}|\\]/.test(withoutEnds(text)))
    doubts.push(`${text} needs no regex; =, contains, startswith and endswith are faster`);
  if (isField(plain))
    doubts.push(`“${text}” is taken as a text, not as the field of that name; val(${plain}) is the field`);
  const transformer = TRANSFORMER_NAMES.find((name) => plain.startsWith(`${name}(`) && plain.endsWith(")"));
  if (transformer) doubts.push(`“${text}” is taken as a text, not as a transformer`);
  return doubts;
}

/** The pattern without the parts that startswith, endswith and contains could express. */
function withoutEnds(pattern: string): string {
  return pattern
    .replace(/^\^/, "")
    .replace(/\$$/, "")
    .replace(/^\.[+*?]/, "")
    .replace(/\.[+*?]$/, "");
}
