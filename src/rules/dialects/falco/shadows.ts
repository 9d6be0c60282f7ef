import { Field } from "../../../plugin/index.js";
import { foldCondition, isOutcome } from "../../fold.js";
import type { Rule } from "../../rule.js";
import { canMatch, OTHER, textsOf } from "../../scenario.js";
import { type Expression, Outcome, type TestNode, testsOf } from "../../tree.js";
import { isBelow } from "./priorities.js";

/** Further rules, and larger conditions, are skipped, because checking them would take too long. */
const MAX_RULES = 300;
const MAX_TESTS = 500;

/** The fields by which rules tell events apart. */
const FIELDS = [Field.objectRefResource, Field.verb, Field.objectRefSubresource];
/** The field is missing. */
const ABSENT = Symbol("absent");

type Value = string | typeof OTHER | typeof ABSENT;

/** A rule that precedes more urgent ones and may match the same events, so that those do not alert. */
export interface Shadow {
  readonly rule: Rule;
  readonly hidden: readonly Rule[];
}

/** The rules that hide more urgent ones when only the first rule that matches counts. */
export function* shadowsOf(rules: readonly Rule[]): Generator<Shadow> {
  const reaches = rules.slice(0, MAX_RULES).flatMap((rule): [Rule, Reach][] => {
    const condition = withTime(rule.condition);
    return condition && [...testsOf(condition)].length <= MAX_TESTS ? [[rule, new Reach(condition)]] : [];
  });
  for (const [index, [rule, reach]] of reaches.entries()) {
    const later = reaches.slice(index + 1).filter(([other]) => isBelow(rule.info.priority, other.info.priority));
    const hidden = later.filter(([, other]) => reach.meets(other)).map(([other]) => other);
    if (hidden.length > 0) yield { rule, hidden };
  }
}

/**
 * What is left of a condition given that every event has a time and none is from 1970, which is how rules are turned off. Undefined
 * for a rule that is turned off.
 */
function withTime(condition: Expression): Expression | undefined {
  const outcomes = new Map<TestNode, Outcome>();
  for (const node of testsOf(condition)) {
    const { source } = node.path;
    if (source.kind !== "extraction" || source.extraction.type !== "field") continue;
    if (source.extraction.name !== "jevt.rawtime") continue;
    if (node.test.op === "exists") outcomes.set(node, Outcome.yes);
    else if (node.test.op === "equals" && node.test.text === "0")
      outcomes.set(node, node.negated ? Outcome.yes : Outcome.no);
  }
  const rest = foldCondition(condition, { outcomes, refuted: new Set() });
  if (!isOutcome(rest)) return rest;
  return rest === Outcome.yes ? { type: "and", operands: [] } : undefined;
}

/** The values of single fields with which a condition can match. */
class Reach {
  private readonly texts: readonly ReadonlySet<string>[];
  private readonly known = new Map<Field, Map<Value, boolean>>(FIELDS.map((field) => [field, new Map()]));

  constructor(private readonly condition: Expression) {
    this.texts = FIELDS.map((field) => textsOf(condition, field));
  }

  /** False if some field has no value that suits both conditions. */
  meets(other: Reach): boolean {
    return FIELDS.every((field, index) => {
      const values: Value[] = [...this.texts[index], ...other.texts[index], OTHER, ABSENT];
      return values.some((value) => this.takes(field, value) && other.takes(field, value));
    });
  }

  private takes(field: Field, value: Value): boolean {
    const known = this.known.get(field);
    const answer =
      known?.get(value) ??
      canMatch(
        this.condition,
        value === ABSENT ? { values: new Map(), absent: new Set([field]) } : { values: new Map([[field, value]]) },
      );
    known?.set(value, answer);
    return answer;
  }
}
