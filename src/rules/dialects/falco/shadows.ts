import { Field } from "../../../plugin/index.js";
import { foldCondition, isOutcome } from "../../fold.js";
import type { Rule } from "../../rule.js";
import { canMatch, OTHER, textsOf } from "../../scenario.js";
import { type Expression, Outcome, type TestNode, testsOf } from "../../tree.js";
import { isBelow } from "./priorities.js";

/** More rules, or larger conditions, are not looked at: it would take long. */
const MAX_RULES = 300;
const MAX_TESTS = 500;

/** What rules tell events apart by. */
const FIELDS = [Field.objectRefResource, Field.verb, Field.objectRefSubresource];
/** The field is not there. */
const ABSENT = Symbol("absent");

type Value = string | typeof OTHER | typeof ABSENT;

/** A rule that stands before more urgent ones and may match the same events: these do not alert then. */
export interface Shadow {
  readonly rule: Rule;
  readonly hidden: readonly Rule[];
}

/** Where only the first rule that matches counts, the rules that hide more urgent ones. */
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

/** What is left where every event has a time and none is of 1970: so rules are turned off. Undefined for one that is. */
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

/** The values of single fields that a condition can match with. */
class Reach {
  private readonly texts: readonly ReadonlySet<string>[];
  private readonly known = new Map<Field, Map<Value, boolean>>(FIELDS.map((field) => [field, new Map()]));

  constructor(private readonly condition: Expression) {
    this.texts = FIELDS.map((field) => textsOf(condition, field));
  }

  /** False if no value of some field suits both. */
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
