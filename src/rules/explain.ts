import type { EventView } from "../plugin/index.js";
import { tryCheck } from "./compile.js";
import { interpret } from "./interpreter.js";
import { render } from "./render.js";
import { type Expression, Outcome, type TestNode } from "./tree.js";

/** What a condition, or a part of it, evaluates to for an event. */
export interface Explanation {
  /** `and`, `or`, `not`, or the test as written. */
  readonly text: string;
  readonly outcome: "yes" | "no" | "failed";
  /** For a test: the text that it saw, as the view shows it now (redacted, after `redact`); null if there was none. */
  readonly saw?: string | null;
  readonly parts: readonly Explanation[];
}

/** Evaluates every part of a condition, whether or not it decided the result. */
export function explain(expression: Expression, event: EventView): Explanation {
  const outcome = OUTCOMES[tryCheck((view) => interpret(expression, view), event)];
  switch (expression.type) {
    case "test":
      return { text: expression.text, outcome, saw: seen(expression, event), parts: [] };
    case "not":
      return { text: "not", outcome, parts: [explain(expression.operand, event)] };
    default:
      return { text: expression.type, outcome, parts: expression.operands.map((operand) => explain(operand, event)) };
  }
}

const OUTCOMES = { [Outcome.yes]: "yes", [Outcome.no]: "no", [Outcome.failed]: "failed" } as const;

function seen({ path }: TestNode, event: EventView): string | null {
  const shown = render(path, event);
  if (shown !== "") return shown;
  const exists: TestNode = { type: "test", path, test: { op: "exists" }, negated: false, text: "" };
  return tryCheck((view) => interpret(exists, view), event) === Outcome.yes ? "" : null;
}
