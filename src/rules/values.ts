import {
  COLON,
  type EventView,
  type Field,
  Flag,
  Kind,
  members,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  ROW_WORDS,
  Row,
  skipSpace,
  type Tape,
  valueEnd,
} from "../plugin/index.js";
import { type SpanTest, spanTest } from "./spans.js";
import { lowerText, scalarText, utf8, valueText } from "./text.js";
import { textTest } from "./text-test.js";
import { Outcome, type StringsSource, type Test, type TestNode, type ValuesSource } from "./tree.js";
import { hasValue, joinedNames } from "./walk.js";

/** Tests for Sigma's rules: of all values that names lead to, and of all strings of an event. */

type Check = (event: EventView) => Outcome;
/** A test of a value that is not an array. */
type ValueTest = (tape: Tape, node: number) => boolean;

const { no, yes } = Outcome;
const outcome = (holds: boolean): Outcome => (holds ? yes : no);
const NULL = 0x6e;

/** The field of the table whose value a test reads, if it reads nothing else. */
export function ownField({ root, names }: ValuesSource, test: Test): Field | undefined {
  return typeof root === "string" || names.length > 0 || test.op === "likeValue" ? undefined : root;
}

/** How two texts may be alike. */
export const LIKE: Record<"equals" | "contains" | "startsWith" | "endsWith", (text: string, other: string) => boolean> =
  {
    equals: (text, other) => text === other,
    contains: (text, other) => text.includes(other),
    startsWith: (text, other) => text.startsWith(other),
    endsWith: (text, other) => text.endsWith(other),
  };

/** Whether a test holds for one of the values, read directly from the event's bytes. */
export function valuesTest({ test, negated }: TestNode, source: ValuesSource): Check {
  const { root } = source;
  if (test.op === "likeValue") return likeTest(test, negated, source);
  if (typeof root === "string") return outsideTest(root, source, test, negated);
  const scalar = test.op === "exists" ? existsTest(test.what) : scalarTest(test, negated, source.fold);
  return reading(root, source.names, test.op === "exists" && test.what === "member", {
    scalar,
    node: test.op === "exists" ? EXISTS[test.what ?? "value"] : onScalars(scalar),
  });
}

/** Whether a test holds for one of the strings. */
export function stringsTest({ test, negated }: TestNode, { fold }: StringsSource): Check {
  const holds = test.op === "exists" ? () => yes : scalarTest(test, negated, fold);
  return ({ batch: { bytes, table }, row }) => {
    const end = table[row * ROW_WORDS + Row.end];
    for (let at = table[row * ROW_WORDS + Row.start]; at < end; ) {
      if (bytes[at] !== QUOTE) {
        at++;
        continue;
      }
      const after = valueEnd(bytes, at);
      if (bytes[skipSpace(bytes, after)] !== COLON && holds(bytes, at, after) === yes) return yes;
      at = after;
    }
    return no;
  };
}

interface Leaf {
  /** For a field that is neither an array nor an object; it may be null. */
  readonly scalar: SpanTest;
  readonly node: ValueTest;
}

/** @param member ask only whether the names lead to something */
function reading(root: Field, names: readonly string[], member: boolean, leaf: Leaf): Check {
  const leads = walk(names, member, leaf.node);
  return (event) => {
    const start = event.start(root);
    if (start === 0) return no;
    if (names.length === 0 && member) return yes;
    const { bytes } = event.batch;
    const first = bytes[start];
    if (first !== OPEN_BRACE && first !== OPEN_BRACKET)
      return names.length === 0 ? leaf.scalar(bytes, start, event.end(root)) : no;
    const body = event.open(root);
    return body ? outcome(leads(body.tape, body.root, 0)) : no;
  };
}

/** Follows the names from index `from` on below a node. An array stands for its items, at any depth of nesting. */
function walk(names: readonly string[], member: boolean, holds: ValueTest) {
  const keys = joinedNames(names);
  const leads = (tape: Tape, node: number, from: number): boolean => {
    if (from === names.length && member) return true;
    const end = tape.next(node);
    for (let at = node; at < end; ) {
      const kind = tape.kind(at);
      if (kind === Kind.array) {
        at++;
        continue;
      }
      if (from === names.length ? holds(tape, at) : kind === Kind.object && leadsBelow(tape, at, from)) return true;
      at = tape.next(at);
    }
    return false;
  };
  const leadsBelow = (tape: Tape, object: number, from: number): boolean => {
    const candidates = keys[from];
    for (let count = 0; count < candidates.length; count++) {
      const found = tape.member(object, candidates[count]);
      if (found >= 0 && leads(tape, found, from + count + 1)) return true;
    }
    return false;
  };
  return leads;
}

const EXISTS: Record<"value" | "member" | "null", ValueTest> = {
  value: hasValue,
  member: () => true,
  null: (tape, node) => tape.kind(node) === Kind.null,
};

function existsTest(what: "member" | "null" | undefined): SpanTest {
  if (what === "member") return () => yes;
  return (bytes, start) => outcome((bytes[start] === NULL) === (what === "null"));
}

/** A test of a scalar's bytes; it does not hold for null. */
function scalarTest(test: Exclude<Test, { op: "exists" }>, negated: boolean, fold: "lower" | undefined): SpanTest {
  const plain = fold === undefined ? spanTest(test, negated) : lowered(textTest(test, negated));
  return (bytes, start, end) => (bytes[start] === NULL ? no : plain(bytes, start, end));
}

const lowered =
  (holds: (text: string) => Outcome): SpanTest =>
  (bytes, start, end) =>
    holds(lowerText(scalarText(bytes, start, end)));

const onScalars =
  (scalar: SpanTest): ValueTest =>
  (tape, node) =>
    tape.kind(node) !== Kind.object && scalar(tape.bytes, tape.start(node), tape.end(node)) === yes;

/** Whether one of the values is like one elsewhere in the event. */
function likeTest(test: Extract<Test, { op: "likeValue" }>, negated: boolean, source: ValuesSource): Check {
  const read = textsOf(source, source.fold);
  const others = test.of.map((other) => textsOf(other, source.fold));
  const like = LIKE[test.compare];
  return (event) => {
    const texts = read(event);
    if (texts.length === 0) return no;
    const wanted = others.flatMap((other) => other(event));
    return outcome(texts.some((text) => wanted.some((other) => like(text, other)) !== negated));
  };
}

/** The texts of all values. */
function textsOf({ root, names }: ValuesSource, fold: "lower" | undefined): (event: EventView) => string[] {
  const inCase = fold === undefined ? (text: string) => text : lowerText;
  if (typeof root === "string") {
    return (event) =>
      valuesBelow(outsideValue(root, event), names)
        .flatMap(itemsOf)
        .filter(isScalar)
        .map((value) => inCase(valueText(value)));
  }
  let texts: string[] = [];
  const take: SpanTest = (bytes, start, end) => {
    if (bytes[start] !== NULL) texts.push(inCase(scalarText(bytes, start, end)));
    return no;
  };
  const collect = reading(root, names, false, { scalar: take, node: onScalars(take) });
  return (event) => {
    texts = [];
    collect(event);
    return texts;
  };
}

/** The values as the view shows them (redacted, after `redact`), objects as their JSON. Empty for members that the table lacks. */
export function shownValues({ root, names }: ValuesSource, event: EventView): string[] {
  if (typeof root === "string") return itemsOf(event.annotation(root) ?? []).map(String);
  const texts: string[] = [];
  const take = (start: number, end: number): Outcome => {
    if (event.batch.bytes[start] !== NULL) texts.push(event.textAt(start, end));
    return no;
  };
  reading(root, names, false, {
    scalar: (_, start, end) => take(start, end),
    node: (tape, node) => take(tape.start(node), tape.end(node)) === yes,
  })(event);
  return texts;
}

/** A test of what is not in the field table: annotations of stages, and members that audit events do not have. */
function outsideTest(
  root: string,
  { names, fold }: ValuesSource,
  test: Exclude<Test, { op: "likeValue" }>,
  negated: boolean,
): Check {
  if (test.op === "exists") {
    const holds = test.what === "null" ? (value: unknown) => value === null : isThere;
    return (event) => {
      const found = valuesBelow(outsideValue(root, event), names);
      return outcome(test.what === "member" ? found.length > 0 : found.flatMap(itemsOf).some(holds));
    };
  }
  const holds = textTest(test, negated);
  const inCase = fold === undefined ? (text: string) => text : lowerText;
  return (event) => {
    const values = valuesBelow(outsideValue(root, event), names).flatMap(itemsOf);
    return outcome(values.some((value) => isScalar(value) && holds(inCase(valueText(value))) === yes));
  };
}

/** What a stage added under a name, or the event's own member that the field table lacks. */
export function outsideValue(name: string, event: EventView): unknown {
  const added = event.annotation(name);
  if (added !== undefined || (event.flags() & Flag.irregular) === 0) return added;
  const { bytes, table } = event.batch;
  let value: unknown;
  for (const { key, start, end } of members(bytes, table[event.row * ROW_WORDS + Row.start]))
    if (key === name) value = JSON.parse(utf8(bytes, start, end));
  return value;
}

/** The values that the names lead to. */
function valuesBelow(value: unknown, names: readonly string[], from = 0): unknown[] {
  if (value === undefined) return [];
  if (from === names.length) return [value];
  const found: unknown[] = [];
  for (const item of itemsOf(value)) {
    if (!isObject(item)) continue;
    for (let to = from + 1; to <= names.length; to++) {
      const key = names.slice(from, to).join(".");
      if (Object.hasOwn(item, key)) for (const value of valuesBelow(item[key], names, to)) found.push(value);
    }
  }
  return found;
}

/** The value itself or, for an array, its items, at any depth of nesting. */
export function itemsOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) return [value];
  const items: unknown[] = [];
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (Array.isArray(next)) for (const item of next) open.push(item);
    else items.push(next);
  }
  return items;
}

/** True if the value is neither null nor an object, or is an object with such a value anywhere in it. */
function isThere(value: unknown): boolean {
  const open = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (isObject(next)) for (const member of Object.values(next)) open.push(member);
    else if (next !== null) return true;
  }
  return false;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const isScalar = (value: unknown): boolean => value !== null && typeof value !== "object";
