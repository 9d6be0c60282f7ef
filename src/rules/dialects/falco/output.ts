import { type EventView, Field } from "../../../plugin/index.js";
import { EVENT_PROPERTIES, type EventProperty } from "../../extraction/clock.js";
import { type Extractor, extractor, untilNul } from "../../extraction/extract.js";
import { textAsShown } from "../../extraction/json.js";
import { type Bound, bindOperand, UnknownField } from "./operands.js";
import { parseOperand } from "./parser.js";
import { type Operand, showOperand, type Text } from "./syntax.js";
import { SyntaxProblem } from "./syntax-problem.js";

/** A value in an alert's fields; null if it is absent. */
export type FieldValue = string | string[] | null;

/** A message, and the fields that go with it. */
export interface Output {
  /** Never throws. */
  message(event: EventView): string;
  /** Never throws. */
  fields(event: EventView): Record<string, FieldValue>;
  /** The fields and transformers that it shows. */
  readonly shown: readonly Bound[];
}

interface Placeholder {
  readonly read: Extractor;
  readonly list: boolean;
  /** Of `%12ka.verb`: the number of bytes that the value is cut or padded to; 0 leaves it as it is. */
  readonly width: number;
  readonly property?: EventProperty;
}

/** Shown in place of an absent value. */
const ABSENT = "<NA>";
/** Upstream cuts lists in a message at this many bytes (`STRPROPERTY_STORAGE_SIZE`). */
const MAX_LIST = 1023;
/** Largest width of a field in a message. */
const MAX_WIDTH = 65_536;

/**
 * Reads an output: `%field`, `%field[argument]`, `%transformer(field)`, `%12field`. Throws {@link SyntaxProblem}. Source:
 * `eventformatter.cpp` of libs 0.25.4.
 */
export function parseOutput(output: Text): Output {
  const { text } = output;
  const parts: (string | Placeholder)[] = [];
  const named = new Map<string, Placeholder>();
  const shown: Bound[] = [];
  // A leading * asks to show the message even if values are absent; here every message is.
  let start = text.startsWith("*") ? 1 : 0;
  for (let at = text.indexOf("%", start); at >= 0; at = text.indexOf("%", start)) {
    if (at > start) parts.push(text.slice(start, at));
    const digits = /^\d*/.exec(text.slice(at + 1, at + 20))?.[0] ?? "";
    const from = at + 1 + digits.length;
    if (from >= text.length) throw new SyntaxProblem("a % with nothing behind it", { text: output, offset: at });
    const { operand, end, bound } = operandAt(output, from);
    parts.push(placeholder(operand, bound, Math.min(Number(digits), MAX_WIDTH)));
    for (const field of fieldsOf(operand)) named.set(showOperand(field), placeholder(field, bindOperand(field), 0));
    shown.push(bound);
    start = end;
  }
  if (start < text.length) parts.push(text.slice(start));
  return {
    shown,
    message: (event) => parts.map((part) => (typeof part === "string" ? part : messageText(part, event))).join(""),
    fields: (event) =>
      Object.fromEntries([...named].map(([name, field]): [string, FieldValue] => [name, fieldValue(field, event)])),
  };
}

/** The longest field or transformer at this position of the text. */
function operandAt(output: Text, from: number): { operand: Operand; end: number; bound: Bound } {
  let problem: SyntaxProblem | undefined;
  let unknown: SyntaxProblem | undefined;
  for (let length = longest(output.text, from); length > 0; length--) {
    try {
      const part = { text: output.text.slice(from, from + length), name: "" };
      const { operand, end } = parseOperand(part);
      return { operand, bound: bindOperand(operand), end: from + end };
    } catch (error) {
      if (!(error instanceof SyntaxProblem)) throw error;
      problem ??= error;
      if (error instanceof UnknownField) unknown ??= error;
    }
  }
  const found = unknown ?? problem;
  const at = { text: output, offset: from };
  const message = found?.message ?? "expected a field behind the %";
  throw unknown || !problem ? new UnknownField(message, at) : new SyntaxProblem(message, at);
}

/** The longest text that is tried as a field, in characters. */
const MAX_OPERAND = 2048;

function longest(text: string, from: number): number {
  return Math.min(text.length - from, MAX_OPERAND);
}

function placeholder(operand: Operand, bound: Bound, width: number): Placeholder {
  return {
    read: shownTexts(bound),
    list: bound.list,
    width,
    property: operand.type === "field" ? EVENT_PROPERTIES.get(operand.name) : undefined,
  };
}

/** Reads what a field or transformer shows of an event as it is now. */
function shownTexts({ extraction, needsAuditID }: Bound): Extractor {
  const read = extractor(extraction, textAsShown);
  return (event) => (needsAuditID && event.start(Field.auditID) === 0 ? undefined : read(event));
}

/** The fields inside a transformer: a message comes with their values, not with the transformed one. */
function fieldsOf(operand: Operand): Operand[] {
  if (operand.type === "field") return [operand];
  return operand.type === "value" ? [] : operand.operands.flatMap(fieldsOf);
}

function readSafely({ read }: Placeholder, event: EventView): readonly string[] | undefined {
  try {
    return read(event);
  } catch {
    return undefined;
  }
}

function messageText(field: Placeholder, event: EventView): string {
  const texts = readSafely(field, event);
  let text = ABSENT;
  if (texts && field.list) text = cut(`(${texts.map(untilNul).join(",")})`, MAX_LIST);
  else if (texts?.[0] !== undefined) text = untilNul(texts[0]).padStart(field.property?.digits ?? 0, "0");
  if (field.width === 0) return text;
  return cut(text, field.width) + " ".repeat(Math.max(0, field.width - Buffer.byteLength(text)));
}

/** Reads the value of one field or transformer for an alert's fields. */
export function fieldReader(operand: Operand): (event: EventView) => FieldValue {
  const field = placeholder(operand, bindOperand(operand), 0);
  return (event) => fieldValue(field, event);
}

/** The first bytes of a text. */
function cut(text: string, bytes: number): string {
  return Buffer.byteLength(text) <= bytes ? text : Buffer.from(text).toString("utf8", 0, bytes);
}

function fieldValue(field: Placeholder, event: EventView): FieldValue {
  if (field.property?.value) return field.property.value(event) ?? null;
  const texts = readSafely(field, event);
  if (texts === undefined) return null;
  return field.list ? texts.map(untilNul) : untilNul(texts[0] ?? "");
}
