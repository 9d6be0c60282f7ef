import { canFail } from "./compile.js";
import { type Expression, invert, Outcome, type TestNode } from "./tree.js";

/** What is known about an event. */
export interface Knowledge {
  /** The outcomes of tests. */
  readonly outcomes: Map<TestNode, Outcome>;
  /** Tests that are known not to say "yes": each says "no" or fails. */
  readonly refuted: Set<TestNode>;
}

/**
 * What is left of a condition once the outcomes of some of its tests are known: its outcome, or a smaller condition that says the
 * same. Only "yes" matters: as long as tests are left, "no" may stand for "failed".
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

/** The outcomes "no" and "yes" as expressions. */
const NEVER: TestNode = {
  type: "test",
  path: { text: "", source: { kind: "nothing" }, steps: [] },
  test: { op: "exists" },
  negated: false,
  text: "false",
};
const ALWAYS: Expression = { type: "not", operand: NEVER };

/** An operand that decides replaces all others except those that can fail; they stay beside it. */
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

/** False if the expression cannot have this outcome ("yes" or "no"). */
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
