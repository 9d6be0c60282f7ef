import { AuditshipError, type EventView } from "../../../plugin/index.js";
import { EVENT_FIELDS } from "../../extraction/fields.js";
import { bindOperand } from "./operands.js";
import { type FieldValue, fieldReader } from "./output.js";
import { parseOperand } from "./parser.js";
import { type Operand, showOperand } from "./syntax.js";
import { SyntaxProblem } from "./syntax-problem.js";

/** The fields that an event has, by name. */
export type FieldLister = (event: EventView) => Record<string, Exclude<FieldValue, null>>;

/**
 * Lists all `ka.*` fields that need no argument, `jevt.rawtime`, and the `further` ones, written as in conditions
 * (`ka.uri.param[q]`). Throws AuditshipError for a field that does not exist.
 */
export function listFields(further: readonly string[]): FieldLister {
  const usual = [...EVENT_FIELDS.values()].filter(
    ({ name, argumentRequired }) => name.startsWith("ka.") && argumentRequired !== true,
  );
  const operands = [...usual.map(({ name }) => name), "jevt.rawtime", ...further].map(operandOf);
  const readers = operands.map((operand) => ({ name: showOperand(operand), read: fieldReader(operand) }));
  return (event) => {
    const fields: [string, Exclude<FieldValue, null>][] = [];
    for (const { name, read } of readers) {
      const value = read(event);
      if (value !== null) fields.push([name, value]);
    }
    return Object.fromEntries(fields);
  };
}

function operandOf(text: string): Operand {
  try {
    const { operand, end } = parseOperand({ text, name: "" });
    if (end < text.length) throw new Error(`“${text.slice(end)}” behind it means nothing`);
    bindOperand(operand);
    return operand;
  } catch (error) {
    if (!(error instanceof SyntaxProblem) && !(error instanceof Error)) throw error;
    throw new AuditshipError("AUDITSHIP_USAGE", `the field ${text} cannot be read: ${error.message}.`);
  }
}
