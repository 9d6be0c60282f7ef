import { canFail } from "./compile.js";
import { type Expression, invert, Outcome, type TestNode } from "./tree.js";

/** What is known of an event. */
export interface Knowledge {
  /** What tests say of it. */
  readonly outcomes: Map<TestNode, Outcome>;
  /** Tests that do not say "yes" of it: they say "no" or fail. */
  readonly refuted: Set<TestNode>;
}

/**
 * What is left of a condition of which only "yes" counts when some of its tests are known: its outcome, or a smaller
 * condition that says the same. "No" may stand for "failed" if other tests are left, as everywhere with such conditions.
 */
export function foldCondition(condition: Expression, known: Knowledge): Expression | Outcome {
  const rest = fold(condition, known);
  return isOutcome(rest) || canBe(Outcome.yes, condition, known) ? rest : Outcome.no;
}

export function isOutcome(folded: Expression | Outcome): folded is Outcome {
  return typeof folded === "number";
}

function fold(expression: Expression, known: Knowledge): Expression | Outcome {
  switch (expression.type) {
    case "test":
      return expression === NEVER ? Outcome.no : (known.outcomes.get(expression) ?? expression);
    case "not": {
      const operand = fold(expression.operand, known);
      if (isOutcome(operand)) return invert(operand);
      return operand === expression.operand ? expression : { type: "not", operand };
    }
    default:
      return foldOperands(expression, known);
  }
}

/** What "no" and "yes" are as expressions. */
const NEVER: TestNode = {
  type: "test",
  path: { text: "", source: { kind: "nothing" }, steps: [] },
  test: { op: "exists" },
  negated: false,
  text: "false",
};
const ALWAYS: Expression = { type: "not", operand: NEVER };

/** An operand that decides settles it but for those that can fail: they stay, together with what it says. */
function foldOperands(expression: Extract<Expression, { type: "and" | "or" }>, known: Knowledge): Expression | Outcome {
  const { type, operands } = expression;
  const decides = type === "and" ? Outcome.no : Outcome.yes;
  let rest: Expression[] = [];
  let decided = false;
  for (const operand of operands) {
    const folded = fold(operand, known);
    if (folded === Outcome.failed) return Outcome.failed;
    if (folded === decides) decided = true;
    else if (!isOutcome(folded)) rest.push(folded);
  }
  if (decided) rest = rest.filter(canFail);
  if (rest.length === 0) return decided ? decides : invert(decides);
  if (decided) rest.unshift(type === "and" ? NEVER : ALWAYS);
  if (rest.length === 1) return rest[0];
  const isSame = rest.length === operands.length && rest.every((operand, index) => operand === operands[index]);
  return isSame ? expression : { type, operands: rest };
}

/** False if the expression cannot have that outcome, "yes" or "no". */
function canBe(outcome: Outcome, expression: Expression, known: Knowledge): boolean {
  switch (expression.type) {
    case "test":
      if (expression === NEVER) return outcome === Outcome.no;
      if (outcome === Outcome.yes && known.refuted.has(expression)) return false;
      return (known.outcomes.get(expression) ?? outcome) === outcome;
    case "not":
      return canBe(invert(outcome), expression.operand, known);
    default: {
      const decides = expression.type === "and" ? Outcome.no : Outcome.yes;
      return outcome === decides
        ? expression.operands.some((operand) => canBe(outcome, operand, known))
        : expression.operands.every((operand) => canBe(outcome, operand, known));
    }
  }
}
