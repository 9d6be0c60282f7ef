import { parseDocuments, type RuleDocument } from "../../documents.js";
import { type ConditionReader, definitionsOnly } from "../../reader.js";
import type { Expression } from "../../tree.js";
import { ConditionParser, type Search } from "./condition.js";
import { DetectionReader } from "./detection.js";
import { Mapping } from "./mapping.js";
import { invalid } from "./problem.js";
import { SigmaReader } from "./reader.js";

/**
 * Reads conditions that name the searches of some rules, and what is YAML: a rule, what stands in its `detection`, or one search.
 * Throws AuditshipError for what is wrong in any of these.
 */
export function sigmaConditions(documents: readonly RuleDocument[]): ConditionReader {
  const reader = new SigmaReader(definitionsOnly());
  for (const document of documents) if (reader.accepts(document)) reader.read(document);
  const searches = reader.searches();
  return (text) => {
    const { documents: read, errors } = parseDocuments("", text);
    const [document] = read;
    const isText = document === undefined || typeof document.value !== "object";
    if (isText && (searches.size > 0 || errors.length === 0)) return parseText(text, searches);
    for (const error of errors) throw error;
    if (read.length > 1) throw invalid("there is more than one document", read[1].place([]));
    return detectionOf(document);
  };
}

function parseText(text: string, searches: ReadonlyMap<string, Search>): Expression {
  return new ConditionParser(searches).parse(text, (offset) => {
    const before = text.slice(0, offset);
    return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
  });
}

function detectionOf(document: RuleDocument): Expression {
  const rule = document.value as Record<string, unknown>;
  const isRule = Object.hasOwn(rule, "detection");
  const detection = (isRule ? rule.detection : rule) as Record<string, unknown>;
  const keys = isRule ? ["detection"] : [];
  const reader = new DetectionReader({ document, mapping: new Mapping({}), placeholders: new Map() });
  if (typeof detection !== "object" || detection === null || !Object.hasOwn(detection, "condition"))
    return reader.search(detection, keys).expression;
  const { condition, timeframe: _, ...definitions } = detection;
  const searches = new Map(
    Object.entries(definitions).map(([name, value]) => [name, reader.search(value, [...keys, name])] as const),
  );
  const parser = new ConditionParser(searches);
  const conditions = (Array.isArray(condition) ? condition : [condition]).map((one: unknown, index) => {
    const where = Array.isArray(condition) ? [...keys, "condition", index] : [...keys, "condition"];
    if (typeof one !== "string") throw invalid("a condition is a text", document.place(where));
    return parser.parse(one, (offset) => document.placeIn(where, offset));
  });
  if (conditions.length === 0) throw invalid("there is no condition", document.place([...keys, "condition"]));
  return conditions.length === 1 ? conditions[0] : { type: "or", operands: conditions };
}
