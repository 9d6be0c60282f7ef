import type { Place } from "../../../plugin/index.js";
import type { RuleDocument } from "../../documents.js";
import { type ConditionReader, definitionsOnly } from "../../reader.js";
import { Binder } from "./binder.js";
import { MarkedText } from "./marked-text.js";
import { FalcoReader } from "./reader.js";
import { placeOf } from "./syntax.js";
import { errorOf, SyntaxProblem } from "./syntax-problem.js";

/** Reads conditions that may use the lists and macros of some documents. Throws AuditshipError for errors in those documents. */
export function falcoConditions(documents: readonly RuleDocument[]): ConditionReader {
  const reader = new FalcoReader(definitionsOnly());
  for (const document of documents) if (reader.accepts(document)) reader.read(document);
  const binder = new Binder();
  return (text) => {
    const places = (offset: number): Place => placeOf({ text: { text, name: "" }, offset });
    try {
      return binder.bind(reader.expand(MarkedText.of("", text, places)));
    } catch (error) {
      throw error instanceof SyntaxProblem ? errorOf(error, "LOAD_ERR_COMPILE_CONDITION") : error;
    }
  };
}
