import type { Predicate } from "../../src/plugin/index.js";
import { predicateOf } from "../../src/rules/condition.js";
import { conditionOrigin, Definitions, Expander } from "../../src/rules/dialects/kubesphere/definitions.js";
import { parse } from "../../src/rules/dialects/kubesphere/parser.js";
import type { Expression } from "../../src/rules/tree.js";

/** A condition as a tree, with whatever names. */
export function parseCondition(text: string): Expression {
  return parse(new Expander(new Definitions()).condition(conditionOrigin(text), []));
}

/** A condition compiled, with whatever names. */
export function compileAny(text: string): Predicate {
  return predicateOf(parseCondition(text));
}
