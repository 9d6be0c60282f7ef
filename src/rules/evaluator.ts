import { readFileSync } from "node:fs";
import {
  AuditshipError,
  type Dialect,
  type EventView,
  Kind,
  type OpenTape,
  type Place,
  type Predicate,
} from "../plugin/index.js";
import { predicateOf } from "./condition.js";
import { falcoConditions } from "./dialects/falco/conditions.js";
import { kubeSphereConditions } from "./dialects/kubesphere/conditions.js";
import { sigmaConditions } from "./dialects/sigma/conditions.js";
import { parseDocuments, type RuleDocument } from "./documents.js";
import type { ConditionReader } from "./reader.js";

/** Makes the reader of a dialect's conditions, which may use names that some documents define. Throws AuditshipError. */
const READERS: Record<EvaluatorOptions["dialect"], (documents: readonly RuleDocument[]) => ConditionReader> = {
  kubesphere: kubeSphereConditions,
  falco: falcoConditions,
  sigma: sigmaConditions,
};

export interface EvaluatorOptions {
  dialect: Dialect;
  /** A rules file whose macros, lists and aliases the conditions may use. */
  rulesFile?: string;
  openTape: OpenTape;
  /** Views a JSON text as an event; undefined if it is not one. */
  viewOf(bytes: Uint8Array): EventView | undefined;
}

/** One line of `eval`'s output. */
export type Evaluation = { result: boolean } | { error: { message: string; line: number; column: number } };

/** Most compiled conditions kept. */
const MAX_CONDITIONS = 1000;

/**
 * Answers lines of `{"condition","event"}`. The event is read from its bytes within the line, so they must not contain a line
 * break. Throws AuditshipError if the rules file cannot be read.
 */
export function createEvaluator(options: EvaluatorOptions): (line: Uint8Array) => Evaluation {
  const { openTape, viewOf } = options;
  const read = READERS[options.dialect](options.rulesFile ? readDocuments(options.rulesFile) : []);
  const conditions = new Map<string, Predicate | Evaluation>();

  return (line) => {
    const question = openTape(line, 0, line.length);
    if (!question || question.tape.kind(question.root) !== Kind.object) return problem("The line is no JSON object.");
    const { tape, root } = question;
    const condition = tape.member(root, "condition");
    if (condition < 0 || tape.kind(condition) !== Kind.string)
      return problem('The line has no member "condition" that is a string.');
    const compiled = lookUp(tape.text(condition));
    if (typeof compiled !== "function") return compiled;
    const event = tape.member(root, "event");
    if (event < 0) return problem('The line has no member "event".');
    const view = viewOf(line.subarray(tape.start(event), tape.end(event)));
    return view ? { result: compiled(view) } : problem("The event is no JSON object.");
  };

  function lookUp(text: string): Predicate | Evaluation {
    let compiled = conditions.get(text);
    if (!compiled) {
      compiled = compile(text);
      if (conditions.size === MAX_CONDITIONS) conditions.clear();
      conditions.set(text, compiled);
    }
    return compiled;
  }

  function compile(text: string): Predicate | Evaluation {
    try {
      return predicateOf(read(text));
    } catch (error) {
      if (!(error instanceof AuditshipError)) throw error;
      return problem(error.message, error.place);
    }
  }
}

/** An error. A place in another file than the condition is reported as the condition's start. */
function problem(message: string, { file, line = 1, column = 1 }: Place = {}): Evaluation {
  return { error: { message, line: file ? 1 : line, column: file ? 1 : column } };
}

function readDocuments(file: string): readonly RuleDocument[] {
  const { documents, errors } = parseDocuments(file, readText(file));
  for (const error of errors) throw error;
  return documents;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const message = `The rules file cannot be read: ${(cause as Error).message}.`;
    throw new AuditshipError("AUDITSHIP_RULE_READ", message, { file }, { cause });
  }
}
