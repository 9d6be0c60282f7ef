import { type EventView, type Field, ROW_WORDS, Row } from "../plugin/index.js";
import { extractor } from "./extraction/extract.js";
import { textsTest } from "./extraction/extraction-test.js";
import { type Json, lineJson, textAsRead } from "./extraction/json.js";
import { latencyOf } from "./latency.js";
import { lowerText, utcText, utf8, valueText } from "./text.js";
import { type TextTest, textTest } from "./text-test.js";
import {
  type Expression,
  type Extraction,
  type FieldSource,
  invert,
  Outcome,
  type Path,
  type Source,
  type Step,
  type Test,
  type TestNode,
  type ValuesSource,
} from "./tree.js";
import { isScalar, itemsOf, LIKE, outsideValue } from "./values.js";

/**
 * Defines what a tree means, as simply as possible: parses every value with JSON.parse and always evaluates both operands. The
 * compiler is fuzzed against it.
 */
export function interpret(expression: Expression, event: EventView): Outcome {
  switch (expression.type) {
    case "test":
      return interpretTest(expression, event);
    case "not":
      return invert(interpret(expression.operand, event));
    default: {
      const outcomes = expression.operands.map((operand) => interpret(operand, event));
      if (outcomes.includes(Outcome.failed)) return Outcome.failed;
      const decides = expression.type === "and" ? Outcome.no : Outcome.yes;
      return outcomes.includes(decides) ? decides : invert(decides);
    }
  }
}

function interpretTest({ path, test, negated }: TestNode, event: EventView): Outcome {
  if (path.source.kind === "extraction") {
    const extract = (extraction: Extraction) => extractor(plain(extraction), textAsRead, lineAsRead);
    const texts = extract(path.source.extraction)(event);
    return texts === undefined ? Outcome.no : textsTest(test, negated, extract)(texts, event);
  }
  if (path.source.kind === "values") return interpretValues(test, negated, path.source, event);
  if (path.source.kind === "strings") {
    const strings = stringsOf(event);
    return yesIf(strings.some((text) => test.op === "exists" || valueHolds(test, negated, path.source, text)));
  }
  const value = sourceValue(path.source, event);
  if (path.steps.length > 0) {
    return (
      follow(value, path.steps, {
        exists: test.op === "exists",
        nullText: test.op === "contains" ? "<nil>" : undefined,
        holds: test.op === "exists" ? () => Outcome.yes : textTest(test, negated),
      }) ?? Outcome.no
    );
  }
  if (test.op === "exists") return yesIf(isThere(value) || structIsThere(path, value));
  if (value === undefined || value === null || isObject(value)) return Outcome.no;
  return textTest(test, negated)(valueText(value));
}

function interpretValues(test: Test, negated: boolean, source: ValuesSource, event: EventView): Outcome {
  const found = foundValues(source, event);
  if (test.op === "exists" && test.what === "member") return yesIf(found.length > 0);
  const values = found.flatMap(itemsOf);
  if (test.op === "exists") return yesIf(values.some(test.what === "null" ? (value) => value === null : isThere));
  if (test.op !== "likeValue") return yesIf(values.some((value) => valueHolds(test, negated, source, value)));
  const texts = (of: ValuesSource): string[] =>
    foundValues(of, event)
      .flatMap(itemsOf)
      .filter(isScalar)
      .map((value) => inCase(source, valueText(value)));
  const others = test.of.flatMap(texts);
  return yesIf(texts(source).some((text) => others.some((other) => LIKE[test.compare](text, other)) !== negated));
}

function valueHolds(test: Exclude<Test, { op: "exists" }>, negated: boolean, source: Source, value: unknown): boolean {
  return isScalar(value) && textTest(test, negated)(inCase(source, valueText(value))) === Outcome.yes;
}

const inCase = (source: Source, text: string): string =>
  "fold" in source && source.fold === "lower" ? lowerText(text) : text;

/** The values that the names lead to. Arrays are searched item by item; neighbouring names may be joined by dots. */
function foundValues({ root, names }: ValuesSource, event: EventView): unknown[] {
  const value = typeof root === "string" ? outsideValue(root, event) : json(root, event);
  return value === undefined ? [] : below(value, names);
}

function below(value: unknown, names: readonly string[]): unknown[] {
  if (names.length === 0) return [value];
  return itemsOf(value)
    .filter(isObject)
    .flatMap((object) =>
      names.flatMap((_, last) => {
        const key = names.slice(0, last + 1).join(".");
        return Object.hasOwn(object, key) ? below(object[key], names.slice(last + 1)) : [];
      }),
    );
}

/** Every string in the line that is not a key. */
function stringsOf(event: EventView): string[] {
  const { table, bytes } = event.batch;
  const row = event.row * ROW_WORDS;
  const line = utf8(bytes, table[row + Row.start], table[row + Row.end]);
  const tokens = [...line.matchAll(/"(?:[^"\\]|\\.)*"(?<key>\s*:)?/gs)];
  return tokens.flatMap(({ 0: token, groups }) => (groups?.key === undefined ? [JSON.parse(token) as string] : []));
}

const lineAsRead = (event: EventView): Json => lineJson(event, textAsRead);

/** The extraction without the shortcut through the field table. */
function plain(extraction: Extraction): Extraction {
  if (extraction.type === "field") return { ...extraction, field: undefined };
  return extraction.type === "text" ? extraction : { ...extraction, parts: extraction.parts.map(plain) };
}

interface Leaf {
  exists: boolean;
  nullText: string | undefined;
  holds: TextTest;
}

/** Undefined if an array's item lacks the key. */
function follow(value: unknown, steps: readonly Step[], leaf: Leaf, inItem = false): Outcome | undefined {
  if (steps.length === 0) return testLeaf(value, leaf, inItem);
  const [step, ...rest] = steps;
  switch (step.type) {
    case "members": {
      if (leaf.exists && rest.length === 0) return yesIf(hasFlat(value, step.names));
      const found = flat(value, step.names);
      return found === undefined || found === null ? Outcome.no : follow(found, rest, leaf);
    }
    case "member":
      if (!isObject(value)) return Outcome.failed;
      if (!Object.hasOwn(value, step.name)) return leaf.exists ? Outcome.no : undefined;
      return follow(value[step.name], rest, leaf, true);
    case "items": {
      if (!inItem && (value === undefined || value === null || isObject(value))) return Outcome.no;
      if (!Array.isArray(value)) return Outcome.failed;
      const outcomes = value
        .slice(step.from, step.to)
        .map((item) => follow(item, rest, leaf, true))
        .filter((outcome) => outcome !== undefined);
      const decides = step.all ? Outcome.no : Outcome.yes;
      if (outcomes.includes(decides)) return decides;
      if (outcomes.includes(Outcome.failed)) return Outcome.failed;
      return outcomes.length === 0 ? Outcome.no : invert(decides);
    }
  }
}

function testLeaf(value: unknown, leaf: Leaf, inItem: boolean): Outcome {
  if (leaf.exists) return yesIf(value !== null);
  if (value === null) return leaf.nullText === undefined ? Outcome.no : leaf.holds(leaf.nullText);
  return isObject(value) && !inItem ? Outcome.no : leaf.holds(valueText(value));
}

/** The member that the joined names lead to, if it is neither null nor an object. */
function flat(value: unknown, names: readonly string[]): unknown {
  if (!isObject(value)) return undefined;
  for (let count = 1; count <= names.length; count++) {
    const key = names.slice(0, count).join(".");
    if (!Object.hasOwn(value, key)) continue;
    const rest = names.slice(count);
    const found = rest.length === 0 ? value[key] : flat(value[key], rest);
    if (found !== undefined && found !== null && !isObject(found)) return found;
  }
  return undefined;
}

/** True if the flattened value has a non-null key that equals the joined names, or begins with them and a dot. */
function hasFlat(value: unknown, names: readonly string[]): boolean {
  const wanted = names.join(".");
  return leavesOf(value).some(([key, leaf]) => leaf !== null && (key === wanted || key.startsWith(`${wanted}.`)));
}

/** The members of an object with their dotted keys, down to scalars and arrays. */
function leavesOf(value: unknown): [string, unknown][] {
  const leaves: [string, unknown][] = [];
  const open: [string, unknown][] = [["", value]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [prefix, object] = next;
    if (isObject(object)) for (const [key, child] of Object.entries(object)) open.push([`${prefix}${key}.`, child]);
    else leaves.push([prefix.slice(0, -1), object]);
  }
  return leaves;
}

function isThere(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  return !isObject(value) || leavesOf(value).some(([, leaf]) => leaf !== null);
}

function structIsThere(path: Path, value: unknown): boolean {
  return path.source.kind === "field" && path.source.struct === true && isObject(value);
}

/** The value of a source; undefined or null if there is none. */
function sourceValue(source: Source, event: EventView): unknown {
  switch (source.kind) {
    case "field":
      return fieldValue(source, event);
    case "latency":
      return latencyOf(event);
    case "annotation":
      return (
        event.annotation(source.name) ?? (source.field === undefined ? undefined : (json(source.field, event) ?? ""))
      );
    default:
      return undefined;
  }
}

function fieldValue(source: FieldSource, event: EventView): unknown {
  const value = json(source.field, event);
  if (value === undefined || value === null) {
    if (!source.unset) return undefined;
    const { within } = source.unset;
    return within === undefined || isObject(json(within, event)) ? "" : undefined;
  }
  if (typeof value !== "string") return value;
  if (source.fold === "lower") return value.toLowerCase();
  if (source.fold === "utc") return utcText(value, 6) ?? value;
  return value;
}

/** A field's value from the line as it was read, before any redaction. */
function json(field: Field, event: EventView): unknown {
  const start = event.start(field);
  return start === 0 ? undefined : JSON.parse(utf8(event.batch.bytes, start, event.end(field)));
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const yesIf = (condition: boolean): Outcome => (condition ? Outcome.yes : Outcome.no);
