import { type EventView, type Field, Likeness, OPEN_BRACE, OPEN_BRACKET } from "../plugin/index.js";
import { type Compiler, tryCheck } from "./compile.js";
import type { Facet } from "./facet.js";
import type { Knowledge } from "./fold.js";
import { isObject, parentOf, withParent } from "./intern.js";
import { type FieldSource, Outcome, type TestNode } from "./tree.js";

const NULL = 0x6e;

/** Classes of {@link ShapeFacet}. */
enum Shape {
  unknown,
  /** Missing or null, and so is the object that the field is a member of. */
  absent,
  /** Missing or null, but that object is present. */
  unset,
  object,
  array,
  scalar,
}

/** Whether a field is present and how its value begins: decides the tests that require something else. */
export class ShapeFacet implements Facet {
  readonly cost = 0.1;
  readonly alike: Likeness;
  private readonly tests: TestNode[] = [];
  private readonly within: Field | undefined;

  constructor(
    private readonly field: Field,
    private readonly compiler: Compiler,
  ) {
    this.within = parentOf(field);
    this.alike = new Likeness(withParent(field));
  }

  add(test: TestNode): boolean {
    this.tests.push(test);
    return true;
  }

  classOf(event: EventView): number {
    const start = event.start(this.field);
    const first = start === 0 ? NULL : event.batch.bytes[start];
    if (first === OPEN_BRACE) return Shape.object;
    if (first === OPEN_BRACKET) return Shape.array;
    if (first !== NULL) return Shape.scalar;
    return this.within !== undefined && isObject(event, this.within) ? Shape.unset : Shape.absent;
  }

  get size(): number {
    return this.tests.length;
  }

  tell(shape: Shape, event: EventView, known: Knowledge): void {
    const isAbsent = shape === Shape.absent || shape === Shape.unset;
    for (const test of this.tests) {
      const outcome = isAbsent ? tryCheck(this.compiler.condition(test), event) : outcomeOf(test, shape);
      if (outcome !== undefined) known.outcomes.set(test, outcome);
    }
  }
}

/** Whether a field is present: if not, no test of what is extracted from it holds. */
export class PresenceFacet implements Facet {
  readonly cost = 0.1;
  private readonly tests: TestNode[] = [];

  readonly alike: Likeness;

  constructor(private readonly field: Field) {
    this.alike = new Likeness([field]);
  }

  add(test: TestNode): boolean {
    this.tests.push(test);
    return true;
  }

  get size(): number {
    return this.tests.length;
  }

  /** 1 if it is missing. */
  classOf(event: EventView): number {
    return event.start(this.field) === 0 ? 1 : 0;
  }

  tell(_: number, __: EventView, known: Knowledge): void {
    for (const test of this.tests) known.outcomes.set(test, Outcome.no);
  }
}

/** The outcome of a test for any value of this shape; undefined if it depends on the value. */
function outcomeOf({ path, test }: TestNode, shape: Shape): Outcome | undefined {
  if (path.source.kind === "values")
    return path.source.names.length > 0 && shape === Shape.scalar ? Outcome.no : undefined;
  const first = path.steps[0];
  if (first === undefined) {
    if (test.op !== "exists") return shape === Shape.object ? Outcome.no : undefined;
    return shape !== Shape.object || (path.source as FieldSource).struct ? Outcome.yes : undefined;
  }
  if (first.type === "items") {
    if (shape === Shape.array) return undefined;
    return shape === Shape.object ? Outcome.no : Outcome.failed;
  }
  return shape === Shape.object ? undefined : Outcome.no;
}
