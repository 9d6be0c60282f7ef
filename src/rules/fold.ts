import { canFail } from "./compile.js";
import { type Expression, invert, Outcome, type TestNode } from "./tree.js";

/** What a test says, if that is known; else undefined. */
export type Known = (test: TestNode) => Outcome | undefined;

/**
 * What is left of a condition of which only "yes" counts when some of its tests are known: its outcome, or a smaller
 * condition that says the same. "No" may stand for "failed" if other tests are left, as everywhere with such conditions.
 */
export function foldCondition(condition: Expression, known: Known): Expression | Outcome {
  const rest = fold(condition, known);
  return isOutcome(rest) || canBe(Outcome.yes, condition, known) ? rest : Outcome.no;
}

export function isOutcome(folded: Expression | Outcome): folded is Outcome {
  return typeof folded === "number";
}

function fold(expression: Expression, known: Known): Expression | Outcome {
  switch (expression.type) {
    case "test":
      return known(expression) ?? expression;
    case "not": {
      const operand = fold(expression.operand, known);
      return isOutcome(operand) ? invert(operand) : { type: "not", operand };
    }
    default:
      return foldOperands(expression, known);
  }
}

/** An operand that decides settles it but for those that can fail: they stay, together with the one that decides. */
function foldOperands(
  { type, operands }: Extract<Expression, { type: "and" | "or" }>,
  known: Known,
): Expression | Outcome {
  const decides = type === "and" ? Outcome.no : Outcome.yes;
  let rest: Expression[] = [];
  let decided: Expression | undefined;
  for (const operand of operands) {
    const folded = fold(operand, known);
    if (folded === Outcome.failed) return Outcome.failed;
    if (folded === decides) decided ??= operand;
    else if (!isOutcome(folded)) rest.push(folded);
  }
  if (decided) rest = rest.filter(canFail);
  if (rest.length === 0) return decided ? decides : invert(decides);
  if (decided) rest.unshift(decided);
  return rest.length === 1 ? rest[0] : { type, operands: rest };
}

/** False if the expression cannot have that outcome, "yes" or "no". */
function canBe(outcome: Outcome, expression: Expression, known: Known): boolean {
  switch (expression.type) {
    case "test":
      return (known(expression) ?? outcome) === outcome;
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
