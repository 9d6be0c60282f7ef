import { falcoConditions } from "../../src/rules/dialects/falco/conditions.js";
import { parseDocuments } from "../../src/rules/documents.js";
import type { Expression } from "../../src/rules/tree.js";

/** A condition in Falco's dialect as a tree; it may name what stands in the rules. */
export function parseFalco(condition: string, rules = ""): Expression {
  return falcoConditions(parseDocuments("rules.yaml", rules).documents)(condition);
}
