import { AuditshipError, type Predicate } from "../plugin/index.js";
import { Compiler } from "./compile.js";
import { conditionOrigin, Definitions, Expander } from "./dialects/kubesphere/definitions.js";
import { isInBody, unknownField } from "./dialects/kubesphere/fields.js";
import { parse } from "./dialects/kubesphere/parser.js";
import { tryCheck } from "./set.js";
import { type Expression, Outcome, testsOf } from "./tree.js";

export interface ConditionOptions {
  /** Refuse conditions that look into requestObject or responseObject. */
  envelopeOnly?: boolean;
}

/**
 * Compiles a condition of the configuration (`select:`, `drop:`) in KubeSphere's dialect. Throws AuditshipError with line
 * and column in the text. An event that the condition fails on does not match.
 */
export function compileCondition(text: string, options: ConditionOptions = {}): Predicate {
  const expression = parse(new Expander(new Definitions()).condition(conditionOrigin(text), []));
  checkFields(expression, options);
  return predicateOf(expression);
}

/** A tree as a predicate. */
export function predicateOf(expression: Expression): Predicate {
  const compiler = new Compiler();
  const check = compiler.condition(expression);
  return (event) => {
    compiler.next();
    return tryCheck(check, event) === Outcome.yes;
  };
}

function checkFields(expression: Expression, { envelopeOnly }: ConditionOptions): void {
  for (const { path } of testsOf(expression)) {
    // A name that only resembles none of ours may be one that a stage adds.
    const unknown = unknownField(path);
    if (unknown?.includes("did you mean") || (unknown && path.source.kind === "nothing"))
      throw new AuditshipError("AUDITSHIP_RULE_INVALID", unknown);
    if (envelopeOnly && isInBody(path)) {
      const message = `${path.text} lies in the body; this condition may only look at the envelope.`;
      throw new AuditshipError("AUDITSHIP_RULE_INVALID", message);
    }
  }
}
