import { AuditshipError, type Predicate } from "../plugin/index.js";
import { Compiler, tryCheck } from "./compile.js";
import { conditionOrigin, Definitions, Expander } from "./dialects/kubesphere/definitions.js";
import { isInBody, unknownField } from "./dialects/kubesphere/fields.js";
import { placeOf } from "./dialects/kubesphere/lexer.js";
import { parse } from "./dialects/kubesphere/parser.js";
import { type Expression, Outcome, type Path, testsOf } from "./tree.js";

export interface ConditionOptions {
  /** Refuse conditions that look into requestObject or responseObject. */
  envelopeOnly?: boolean;
}

/**
 * Compiles a condition from the configuration (`select:`, `drop:`), written in KubeSphere's dialect. An event on which it fails
 * does not match. Throws AuditshipError with line and column in the text.
 */
export function compileCondition(text: string, options: ConditionOptions = {}): Predicate {
  const origin = conditionOrigin(text);
  const expression = parse(new Expander(new Definitions()).condition(origin, []));
  for (const { path } of testsOf(expression)) {
    const problem = fieldProblem(path, options);
    if (problem) throw new AuditshipError("AUDITSHIP_RULE_INVALID", problem, placeOf(origin, text.indexOf(path.text)));
  }
  return predicateOf(expression);
}

/** Turns a tree into a predicate. */
export function predicateOf(expression: Expression): Predicate {
  const compiler = new Compiler();
  const check = compiler.condition(expression);
  return (event) => {
    compiler.next(event);
    return tryCheck(check, event) === Outcome.yes;
  };
}

function fieldProblem(path: Path, { envelopeOnly }: ConditionOptions): string | undefined {
  if (envelopeOnly && isInBody(path))
    return `${path.text} lies in the body; this condition may only look at the envelope.`;
  const unknown = unknownField(path);
  // A name that resembles none of ours may be one that a stage adds.
  return unknown?.includes("did you mean") || path.source.kind === "nothing" ? unknown : undefined;
}
