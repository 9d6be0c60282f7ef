import { type EventView, type Field, OPEN_BRACE, OPEN_BRACKET, QUOTE } from "../plugin/index.js";
import { type Extractor, extractor } from "./extraction/extract.js";
import { extractionTest, onlyField } from "./extraction/extraction-test.js";
import type { Texts } from "./extraction/field.js";
import { textAsRead } from "./extraction/json.js";
import { INTERNED, Interner, isObject, Turn } from "./intern.js";
import { latencyOf } from "./latency.js";
import { type SpanTest, spanTest } from "./spans.js";
import { decodeString, isPlain, nodeText, utcText, valueText } from "./text.js";
import { compareNumbers, type TextTest, textTest } from "./text-test.js";
import { type Expression, type Extraction, type FieldSource, invert, Outcome, type TestNode, testsOf } from "./tree.js";
import { ownField, stringsTest, valuesTest } from "./values.js";
import { compileWalk, hasValue } from "./walk.js";

/** A compiled condition: gives the same answer as the interpreter, read directly from the event's bytes. */
export type Check = (event: EventView) => Outcome;

const { no, yes, failed } = Outcome;
const NULL = 0x6e;

/**
 * Compiles trees to closures that read an event's bytes. All conditions of one compiler share what they learn about an event's
 * values; call {@link next} before each event.
 */
export class Compiler {
  /** The current event. */
  readonly turn = new Turn();
  private readonly interners = new Map<Field, Interner>();
  /** Checks by what they test, so that equal tests of different rules share one. */
  private readonly tests = new Map<string, Check>();
  private readonly checks = new WeakMap<TestNode, Check>();
  private readonly lists = new Map<readonly string[], number>();
  private readonly extractors = new Map<string, Extractor>();

  /** Moves on to the next event. */
  next(event: EventView): void {
    this.turn.next(event);
  }

  /** A condition of which only "yes" matters, such as a rule's: it may return "no" where it has failed. */
  condition(expression: Expression): Check {
    return this.compile(expression, true);
  }

  /** The interner of a field with few different values. */
  interner(field: Field): Interner {
    let interner = this.interners.get(field);
    if (!interner) {
      interner = new Interner(field, this.turn);
      this.interners.set(field, interner);
    }
    return interner;
  }

  /**
   * With `lenient`, "no" may stand for "failed", so an `and` may stop at its first "no". Otherwise operands that can fail are
   * evaluated even if the others decide, because one failure fails the whole rule.
   */
  private compile(expression: Expression, lenient: boolean): Check {
    switch (expression.type) {
      case "test":
        return this.test(expression);
      case "not": {
        const operand = this.compile(expression.operand, false);
        return (event) => invert(operand(event));
      }
      case "and": {
        const operands = expression.operands.map((operand) => this.compile(operand, lenient));
        return lenient ? untilNo(operands) : joined(operands, expression.operands.map(canFail), no);
      }
      case "or": {
        const operands = expression.operands.map((operand) => this.compile(operand, false));
        return joined(operands, expression.operands.map(canFail), yes);
      }
    }
  }

  private test(node: TestNode): Check {
    let check = this.checks.get(node);
    if (!check) {
      check = this.sharedTest(node);
      this.checks.set(node, check);
    }
    return check;
  }

  private sharedTest(node: TestNode): Check {
    const { source, steps } = node.path;
    const test = node.test.op === "in" ? ["in", this.idOf(node.test.texts)] : node.test;
    const key = JSON.stringify([source, steps, test, node.negated]);
    let check = this.tests.get(key);
    if (!check) {
      check = this.makeTest(node);
      this.tests.set(key, check);
    }
    return check;
  }

  /** The number of a list. Rules that refer to the same list share its array. */
  private idOf(texts: readonly string[]): number {
    const id = this.lists.get(texts) ?? this.lists.size;
    this.lists.set(texts, id);
    return id;
  }

  private makeTest(node: TestNode): Check {
    const { source, steps } = node.path;
    switch (source.kind) {
      case "nothing":
        return () => no;
      case "latency":
        return node.test.op === "number" ? latencyTest(node, node.test) : valueTest(node, latencyOf);
      case "annotation": {
        const { name, field } = source;
        const added = valueTest(node, (event) => event.annotation(name));
        if (field === undefined) return added;
        const own = this.makeTest({ ...node, path: { ...node.path, source: { kind: "field", field, unset: {} } } });
        return (event) => (event.annotation(name) === undefined ? own(event) : added(event));
      }
      case "field": {
        const check = steps.length > 0 ? stepsTest(node, source) : fieldTest(node, source);
        return INTERNED.has(source.field) ? memoized(check, this.interner(source.field)) : check;
      }
      case "values": {
        const check = valuesTest(node, source);
        const field = ownField(source, node.test);
        return field !== undefined && INTERNED.has(field) ? memoized(check, this.interner(field)) : check;
      }
      case "strings":
        return stringsTest(node, source);
      case "extraction": {
        const check = extractionTest(node, source, (extraction) => this.extractor(extraction));
        const field = onlyField(source, node.test);
        return field !== undefined && INTERNED.has(field) ? memoized(check, this.interner(field)) : check;
      }
    }
  }

  /** An extractor whose result is shared by all tests of the same event. */
  private extractor(extraction: Extraction): Extractor {
    const key = JSON.stringify(extraction);
    let shared = this.extractors.get(key);
    if (!shared) {
      shared = this.oncePerEvent(extractor(extraction, textAsRead));
      this.extractors.set(key, shared);
    }
    return shared;
  }

  private oncePerEvent(read: Extractor): Extractor {
    const { turn } = this;
    let known: Texts;
    let last = -1;
    return (event) => {
      if (last !== turn.now) {
        known = read(event);
        last = turn.now;
      }
      return known;
    };
  }
}

/** The same check, run once per value of the one field that it reads. */
function memoized(check: Check, interner: Interner): Check {
  const memo = interner.memo();
  return (event) => {
    const id = interner.idOf(event);
    const known = memo.get(id);
    if (known >= 0) return known;
    const outcome = check(event);
    memo.set(id, outcome);
    return outcome;
  };
}

/** A test of the latency, which is not part of the line: it compares numbers without going through text. */
function latencyTest({ negated }: TestNode, { compare, value }: Extract<TestNode["test"], { op: "number" }>): Check {
  return (event) => {
    const latency = latencyOf(event);
    return latency !== undefined && compareNumbers(latency, compare, value) !== negated ? yes : no;
  };
}

/** A test of a value that is not part of the line. */
function valueTest({ test, negated }: TestNode, read: (event: EventView) => unknown): Check {
  if (test.op === "exists") return (event) => (read(event) === undefined ? no : yes);
  const holds = textTest(test, negated);
  return (event) => {
    const value = read(event);
    return value === undefined ? no : holds(valueText(value));
  };
}

/** A test of a field's whole value. */
function fieldTest({ test, negated }: TestNode, source: FieldSource): Check {
  const { field, unset, struct } = source;
  if (test.op === "exists") {
    return (event) => {
      if (isAbsent(event, field)) return unset && isUnset(event, unset) ? yes : no;
      if (!isObject(event, field) || struct) return yes;
      const body = event.open(field);
      return body && hasValue(body.tape, body.root) ? yes : no;
    };
  }
  const text = textTest(test, negated);
  const scalar = folded(source, spanTest(test, negated), text);
  const empty = text("");
  return (event) => {
    if (isAbsent(event, field)) return unset && isUnset(event, unset) ? empty : no;
    const start = event.start(field);
    const { bytes } = event.batch;
    if (bytes[start] === OPEN_BRACE) return no;
    if (bytes[start] !== OPEN_BRACKET) return scalar(bytes, start, event.end(field));
    const body = event.open(field);
    return body ? text(nodeText(body.tape, body.root)) : no;
  };
}

/** A test of what lies below a field's value. */
function stepsTest({ path, test, negated }: TestNode, { field, unset }: FieldSource): Check {
  const exists = test.op === "exists";
  const walk = compileWalk(path.steps, {
    exists,
    scalar: exists ? () => yes : spanTest(test, negated),
    text: exists ? () => yes : textTest(test, negated),
    nulls: test.op === "contains",
  });
  const onScalar = path.steps[0].type === "items" ? failed : no;
  return (event) => {
    if (isAbsent(event, field)) return unset && isUnset(event, unset) ? onScalar : no;
    const first = event.batch.bytes[event.start(field)];
    if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return onScalar;
    const body = event.open(field);
    return body ? walk(body.tape, body.root) : no;
  };
}

/** True if the field is missing or null. */
function isAbsent(event: EventView, field: Field): boolean {
  const start = event.start(field);
  return start === 0 || event.batch.bytes[start] === NULL;
}

function isUnset(event: EventView, { within }: NonNullable<FieldSource["unset"]>): boolean {
  return within === undefined || isObject(event, within);
}

/** Applies a field's folding to the strings that are tested. */
function folded({ fold }: FieldSource, plain: SpanTest, text: TextTest): SpanTest {
  if (fold === "lower") {
    return (bytes, start, end) =>
      bytes[start] === QUOTE ? text(decodeString(bytes, start, end).toLowerCase()) : plain(bytes, start, end);
  }
  if (fold === "utc") {
    return (bytes, start, end) => {
      if (bytes[start] !== QUOTE || isCanonicalTime(bytes, start, end)) return plain(bytes, start, end);
      const time = decodeString(bytes, start, end);
      return text(utcText(time, 6) ?? time);
    };
  }
  return plain;
}

/** True if a string token has the shape `"2024-05-01T02:03:04.120000Z"`, and so already is in canonical form. */
function isCanonicalTime(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== 29 || bytes[end - 2] !== 0x5a || bytes[start + 11] !== 0x54 || bytes[start + 20] !== 0x2e)
    return false;
  return isPlain(bytes, start, end);
}

/** False if the condition has an answer for every event. */
export function canFail(expression: Expression): boolean {
  for (const { test, path } of testsOf(expression))
    if (test.op === "number" || test.op === "boolean" || path.steps.some(({ type }) => type === "items")) return true;
  return false;
}

function untilNo(operands: readonly Check[]): Check {
  return (event) => {
    for (let i = 0; i < operands.length; i++) {
      const outcome = operands[i](event);
      if (outcome !== yes) return outcome;
    }
    return yes;
  };
}

/** `decides` is the outcome that settles the result, whatever the other operands say, unless one of those that can fail does fail. */
function joined(operands: readonly Check[], fallible: readonly boolean[], decides: Outcome): Check {
  return (event) => {
    let outcome = invert(decides);
    for (let i = 0; i < operands.length; i++) {
      if (outcome === decides && !fallible[i]) continue;
      const next = operands[i](event);
      if (next === failed) return failed;
      if (next === decides) outcome = decides;
    }
    return outcome;
  };
}

/** Runs a check; one that throws has failed. */
export function tryCheck(check: Check, event: EventView): Outcome {
  try {
    return check(event);
  } catch {
    return failed;
  }
}
