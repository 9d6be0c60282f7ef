import { type EventView, Field } from "../plugin/index.js";
import type { Compiler } from "./compile.js";
import { nodeText, scalarText } from "./text.js";
import type { Expression } from "./tree.js";

/** Finds the entries (rules) that an event's verb and resource leave possible. */
export class Dispatch<Entry> {
  private readonly verbs: Dimension;
  private readonly resources: Dimension;
  /** By verb and resource; filled when first asked for. */
  private readonly cells: (readonly Entry[] | undefined)[];

  constructor(
    private readonly entries: readonly Entry[],
    conditionOf: (entry: Entry) => Expression,
    compiler: Compiler,
  ) {
    const conditions = entries.map(conditionOf);
    this.verbs = new Dimension(Field.verb, conditions, MAX_VERBS, compiler);
    this.resources = new Dimension(Field.objectRefResource, conditions, MAX_RESOURCES, compiler);
    this.cells = new Array(this.verbs.size * this.resources.size).fill(undefined);
  }

  /** In order of definition. */
  candidates(event: EventView): readonly Entry[] {
    const verb = this.verbs.classOf(event);
    const resource = this.resources.classOf(event);
    const cell = verb * this.resources.size + resource;
    const known = this.cells[cell];
    if (known) return known;
    const candidates = this.entries.filter(
      (_, index) => this.verbs.allows(index, verb) && this.resources.allows(index, resource),
    );
    this.cells[cell] = candidates;
    return candidates;
  }
}

/** Most values that are told apart; rules that name further ones are tried on every value. */
const MAX_VERBS = 100;
const MAX_RESOURCES = 2000;

/** The values of one field that conditions name: each is a class of its own, all others together are class 0. */
class Dimension {
  readonly size: number;
  readonly classOf: (event: EventView) => number;
  private readonly classes = new Map<string, number>();
  private readonly allowed: (ReadonlySet<number> | undefined)[];

  constructor(field: Field, conditions: readonly Expression[], most: number, compiler: Compiler) {
    this.allowed = conditions.map((condition) => {
      const values = impliedValues(condition, field);
      return values && this.classes.size + values.size <= most ? this.classesOf(values) : undefined;
    });
    this.size = this.classes.size + 1;
    this.classOf = compiler.memo(field, (event) => this.classes.get(textOf(event, field)) ?? 0);
  }

  allows(index: number, valueClass: number): boolean {
    return this.allowed[index]?.has(valueClass) ?? true;
  }

  private classesOf(values: ReadonlySet<string>): ReadonlySet<number> {
    const numbers = [...values].map((value) => {
      const known = this.classes.get(value) ?? this.classes.size + 1;
      this.classes.set(value, known);
      return known;
    });
    return new Set(numbers);
  }
}

/** As conditions see it: in lower case for the verb; "" for what is unset or an object. */
function textOf(event: EventView, field: Field): string {
  const start = event.start(field);
  const { bytes } = event.batch;
  if (start === 0 || bytes[start] === 0x6e || bytes[start] === 0x7b) return "";
  if (bytes[start] === 0x5b) {
    const body = event.open(field);
    return body ? nodeText(body.tape, body.root) : "";
  }
  const text = scalarText(bytes, start, event.end(field));
  return field === Field.verb ? text.toLowerCase() : text;
}

/** The values that the field must have one of for the condition to be true; undefined if others may do. */
export function impliedValues(expression: Expression, field: Field): ReadonlySet<string> | undefined {
  switch (expression.type) {
    case "not":
      return undefined;
    case "test": {
      const { path, test, negated } = expression;
      if (path.source.kind !== "field" || path.source.field !== field || path.steps.length > 0 || negated)
        return undefined;
      const texts = test.op === "equals" ? [test.text] : test.op === "in" ? test.texts : [];
      return texts.length > 0 ? new Set(texts) : undefined;
    }
    case "and": {
      let result: ReadonlySet<string> | undefined;
      for (const operand of expression.operands) {
        const values = impliedValues(operand, field);
        if (values) result = result ? new Set([...result].filter((value) => values.has(value))) : values;
      }
      return result;
    }
    case "or": {
      const result = new Set<string>();
      for (const operand of expression.operands) {
        const values = impliedValues(operand, field);
        if (!values) return undefined;
        for (const value of values) result.add(value);
      }
      return result;
    }
  }
}
