import { parseDocuments, type RuleDocument } from "../../documents.js";
import type { ConditionReader } from "../../reader.js";
import type { Expression } from "../../tree.js";
import { ConditionParser, type Search } from "./condition.js";
import { DetectionReader } from "./detection.js";
import { Mapping } from "./mapping.js";
import { invalid } from "./problem.js";

/**
 * Reads conditions that use the searches of some documents, each a YAML rule, the content of a `detection`, or a single search.
 * Throws AuditshipError for errors in any of these.
 */
export function sigmaConditions(documents: readonly RuleDocument[]): ConditionReader {
  const searches = new Map<string, Search>(
    documents.filter(isMap).flatMap((document) => {
      const { detection, keys } = detectionOf(document);
      return isObject(detection) ? [...readerOf(document).searches(detection, keys)] : [];
    }),
  );
  return (text) => {
    const { documents: read, errors } = parseDocuments("", text);
    const [document] = read;
    const isText = errors.length > 0 ? !/[:{[]/.test(text) : document === undefined || !isContainer(document.value);
    if (isText) return parseText(text, searches);
    for (const error of errors) throw error;
    if (read.length > 1) throw invalid("there is more than one document", read[1].place([]));
    return parseDocument(document);
  };
}

function parseText(text: string, searches: ReadonlyMap<string, Search>): Expression {
  return new ConditionParser(searches).parse(text, (offset) => {
    const before = text.slice(0, offset);
    return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
  });
}

function parseDocument(document: RuleDocument): Expression {
  const { detection, keys } = detectionOf(document);
  const reader = readerOf(document);
  if (!isObject(detection) || !Object.hasOwn(detection, "condition")) return reader.search(detection, keys).expression;
  return new ConditionParser(reader.searches(detection, keys)).parseAll(
    document,
    [...keys, "condition"],
    detection.condition,
  );
}

const readerOf = (document: RuleDocument): DetectionReader =>
  new DetectionReader({ document, mapping: new Mapping({}), placeholders: new Map() });

/** A rule's detection; a document that is not a rule is one itself. */
function detectionOf({ value }: RuleDocument): { detection: unknown; keys: string[] } {
  if (isObject(value) && Object.hasOwn(value, "detection")) return { detection: value.detection, keys: ["detection"] };
  return { detection: value, keys: [] };
}

const isMap = ({ value }: RuleDocument): boolean => isObject(value);

const isContainer = (value: unknown): boolean => typeof value === "object" && value !== null;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
