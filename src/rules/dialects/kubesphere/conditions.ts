import type { RuleDocument } from "../../documents.js";
import { type ConditionReader, definitionsOnly } from "../../reader.js";
import { conditionOrigin, Expander } from "./definitions.js";
import { parse } from "./parser.js";
import { KubeSphereReader } from "./reader.js";

/** Reads conditions that may use the definitions of some documents. Throws AuditshipError for errors in those documents. */
export function kubeSphereConditions(documents: readonly RuleDocument[]): ConditionReader {
  const reader = new KubeSphereReader(definitionsOnly());
  for (const document of documents) if (reader.accepts(document)) reader.read(document);
  const { definitions, names } = reader;
  return (text) => parse(new Expander(definitions).condition(conditionOrigin(text), names));
}
