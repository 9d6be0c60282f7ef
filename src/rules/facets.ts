import { type EventView, FIELD_PATHS, type Field, fieldOfPath, NUMBERED } from "../plugin/index.js";
import { type Check, type Compiler, tryCheck } from "./compile.js";
import { easyTime, millisecondsOf } from "./extraction/clock.js";
import { onlyField } from "./extraction/extraction-test.js";
import type { Knowledge } from "./fold.js";
import { INTERNED, type Interner, isObject, type Memo, type Turn } from "./intern.js";
import { Needs } from "./needs.js";
import {
  type Extraction,
  type ExtractionSource,
  type FieldSource,
  Outcome,
  type Test,
  type TestNode,
  type ValuesSource,
} from "./tree.js";

/**
 * Something that is cheap to find out about an event and decides tests: events of one class are alike to all tests of a
 * facet. Of class 0 nothing is known.
 */
export interface Facet {
  /** What it costs to ask, roughly: 1 is one look-up. */
  readonly cost: number;
  /** How many tests it knows of. */
  readonly size: number;
  /** Only before the first event. False if it has nothing to say of the test. */
  add(test: TestNode): boolean;
  classOf(event: EventView): number;
  /** Adds what is known of events of this class, of which `event` is one. */
  tell(valueClass: number, event: EventView, known: Knowledge): void;
}

/** Makes the facets of tests: one for each field that they ask about, shared by all that ask about it. */
export class Facets {
  private readonly all = new Map<string, Facet>();
  private readonly byTest = new Map<TestNode, readonly Facet[]>();

  constructor(private readonly compiler: Compiler) {}

  add(test: TestNode): void {
    if (this.byTest.has(test)) return;
    this.byTest.set(
      test,
      this.facetsOf(test).filter((facet) => facet.add(test)),
    );
  }

  /** The facets that may decide a test. */
  of(test: TestNode): readonly Facet[] {
    return this.byTest.get(test) ?? NONE;
  }

  private facetsOf({ path: { source, steps }, test }: TestNode): readonly Facet[] {
    if (source.kind === "extraction") return this.facetsOfExtraction(source, test);
    if (source.kind === "values") return this.facetsOfValues(source, test);
    if (source.kind !== "field") return NONE;
    const { field } = source;
    const isBody = steps.length > 0;
    if (INTERNED.has(field)) return [this.facet(`value ${field}`, () => new ValueFacet(field, this.compiler))];
    return [
      this.facet(`shape ${field}`, () => new ShapeFacet(field, this.compiler)),
      this.facet(`text ${field} ${isBody}`, () => new TextFacet(field, isBody)),
    ];
  }

  private facetsOfValues(source: ValuesSource, test: Test): readonly Facet[] {
    const { root, names, fold } = source;
    if (typeof root === "string" || test.op === "likeValue") return NONE;
    const isBody = names.length > 0;
    if (!isBody && INTERNED.has(root)) return [this.facet(`value ${root}`, () => new ValueFacet(root, this.compiler))];
    const anyCase = !isBody && fold === "lower";
    const text = this.facet(
      `text ${root} ${isBody}${anyCase ? " any case" : ""}`,
      () => new TextFacet(root, isBody, anyCase),
    );
    // A field that is null has the shape of one that is not there.
    if (!isBody && test.op === "exists" && test.what !== undefined) return [text];
    return [this.facet(`shape ${root}`, () => new ShapeFacet(root, this.compiler)), text];
  }

  private facetsOfExtraction(source: ExtractionSource, test: Test): readonly Facet[] {
    const field = onlyField(source, test);
    if (field !== undefined && INTERNED.has(field))
      return [this.facet(`value ${field}`, () => new ValueFacet(field, this.compiler))];
    if (isTime(source.extraction)) return [this.facet("time", () => new TimeFacet())];
    const { root } = source;
    return root === undefined ? NONE : [this.facet(`presence ${root}`, () => new PresenceFacet(root))];
  }

  private facet(key: string, make: () => Facet): Facet {
    const facet = this.all.get(key) ?? make();
    this.all.set(key, facet);
    return facet;
  }
}

const NONE: readonly Facet[] = [];

/** Most classes of one field, and tests of it that tell them apart; the rest stays in the conditions. */
const MAX_CLASSES = 1000;
const MAX_TESTS = 2000;
/** A new value is put to all tests at once, and patterns are slow: most of those that no text rules out. */
const MAX_PATTERNS = 50;
const PATTERNS: ReadonlySet<Test["op"]> = new Set<Test["op"]>(["matches", "matchesWhole", "glob"]);

/** The value of a field with few values: two are of one class if all tests say the same of them. */
export class ValueFacet implements Facet {
  readonly cost = 1;
  private readonly interner: Interner;
  private readonly known: Memo;
  /** Classes plus one by the numbers of values: what most events are answered by. */
  private readonly byNumber: Uint16Array;
  private readonly index: number;
  private readonly turn: Turn;
  /** Tests that are equal have one check. */
  private readonly tests = new Map<Check, TestNode[]>();
  /** Decides most of them for a new value at once. */
  private readonly texts: readonly TextFacet[];
  private readonly classes = new Map<string, number>();
  /** By class, what each test says. */
  private readonly outcomes: (readonly Outcome[])[] = [[]];
  private patterns = 0;

  constructor(
    field: Field,
    private readonly compiler: Compiler,
  ) {
    this.texts = [new TextFacet(field, false), new TextFacet(field, false, true)];
    this.interner = compiler.interner(field);
    this.known = this.interner.memo();
    this.turn = compiler.turn;
    this.byNumber = this.turn.byNumber();
    this.index = NUMBERED.indexOf(field);
  }

  add(test: TestNode): boolean {
    const check = this.compiler.condition(test);
    const equal = this.tests.get(check);
    if (equal) equal.push(test);
    else if (
      this.tests.size < MAX_TESTS &&
      (this.texts.some((texts) => texts.add(test)) || !PATTERNS.has(test.test.op) || this.patterns++ < MAX_PATTERNS)
    )
      this.tests.set(check, [test]);
    else return false;
    return true;
  }

  get size(): number {
    return this.tests.size;
  }

  tell(valueClass: number, _: EventView, known: Knowledge): void {
    const outcomes = this.outcomes[valueClass];
    let index = 0;
    for (const equal of this.tests.values()) {
      const outcome = outcomes[index++];
      if (outcome !== undefined) for (const test of equal) known.outcomes.set(test, outcome);
    }
  }

  classOf(event: EventView): number {
    const number = this.turn.number(this.index);
    const known = this.byNumber[number];
    if (known !== 0) return known - 1;
    const valueClass = this.classOfId(event);
    if (number !== 0) this.byNumber[number] = valueClass + 1;
    return valueClass;
  }

  private classOfId(event: EventView): number {
    const id = this.interner.idOf(event);
    const known = this.known.get(id);
    return known >= 0 ? known : this.learn(id, event);
  }

  private learn(id: number, event: EventView): number {
    const valueClass = this.classify(event);
    this.known.set(id, valueClass);
    return valueClass;
  }

  private classify(event: EventView): number {
    const known: Knowledge = { outcomes: new Map(), refuted: new Set() };
    for (const texts of this.texts) texts.tell(texts.classOf(event), event, known);
    const outcomes = [...this.tests].map(([check, [test]]) => known.outcomes.get(test) ?? tryCheck(check, event));
    const key = outcomes.join("");
    const same = this.classes.get(key);
    if (same !== undefined) return same;
    if (this.outcomes.length === MAX_CLASSES) return 0;
    this.classes.set(key, this.outcomes.length);
    return this.outcomes.push(outcomes) - 1;
  }
}

/** Classes of {@link ShapeFacet}. */
enum Shape {
  unknown,
  /** Not there or null; the object that the field is a member of is neither. */
  absent,
  /** The same, but that object is there. */
  unset,
  object,
  array,
  scalar,
}

/** Whether a field is there and how its value begins: decides the tests that look for something else. */
class ShapeFacet implements Facet {
  readonly cost = 1;
  private readonly tests: TestNode[] = [];
  private readonly within: Field | undefined;

  constructor(
    private readonly field: Field,
    private readonly compiler: Compiler,
  ) {
    this.within = fieldOfPath(FIELD_PATHS[field].split(".").slice(0, -1).join("."));
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

/** Whether a field is there: if not, no test of what is extracted from it holds. */
class PresenceFacet implements Facet {
  readonly cost = 1;
  private readonly tests: TestNode[] = [];

  constructor(private readonly field: Field) {}

  add(test: TestNode): boolean {
    this.tests.push(test);
    return true;
  }

  get size(): number {
    return this.tests.length;
  }

  /** 1: it is not there. */
  classOf(event: EventView): number {
    return event.start(this.field) === 0 ? 1 : 0;
  }

  tell(_: number, __: EventView, known: Knowledge): void {
    for (const test of this.tests) known.outcomes.set(test, Outcome.no);
  }
}

/**
 * Whether an event has a time, and that it is none of those that tests look for: Falco's rules turn others on and off by
 * `jevt.rawtime exists` and `jevt.rawtime=0`.
 */
class TimeFacet implements Facet {
  readonly cost = 2;
  private readonly tests: TestNode[] = [];
  /** In milliseconds, and the ones behind them: what is nearly a millisecond more is rounded. */
  private readonly wanted = new Set<number>();

  get size(): number {
    return this.tests.length;
  }

  add(node: TestNode): boolean {
    const { test } = node;
    if (test.op !== "exists" && test.op !== "equals") return false;
    const time = test.op === "equals" ? millisecondsOf(test.text) : undefined;
    if (time !== undefined) this.wanted.add(time).add(time + 1);
    this.tests.push(node);
    return true;
  }

  /** 1: it has a time that no test looks for. */
  classOf(event: EventView): number {
    const time = easyTime(event);
    return Number.isNaN(time) || this.wanted.has(time) ? 0 : 1;
  }

  tell(_: number, __: EventView, known: Knowledge): void {
    for (const node of this.tests)
      known.outcomes.set(node, node.test.op === "exists" || node.negated ? Outcome.yes : Outcome.no);
  }
}

function isTime(extraction: Extraction): boolean {
  return extraction.type === "field" && (extraction.name === "jevt.rawtime" || extraction.name === "json.rawtime");
}

/** Which of the texts that tests look for are in a value. */
class TextFacet implements Facet {
  readonly cost: number;
  private readonly needs: Needs;

  /**
   * @param isBody tests of what lies below the field; else of its value, which is a string
   * @param anyCase tests of that string in lower case
   */
  constructor(
    private readonly field: Field,
    private readonly isBody: boolean,
    private readonly anyCase = false,
  ) {
    this.cost = isBody ? 100 : 5;
    this.needs = new Needs(anyCase);
  }

  add(test: TestNode): boolean {
    const { source, steps } = test.path;
    if (source.kind === "values") {
      const isOurs = source.names.length > 0 ? this.isBody : !this.isBody && (source.fold === "lower") === this.anyCase;
      return isOurs && this.needs.add(test);
    }
    const isPlain = !this.anyCase && source.kind === "field" && source.fold === undefined;
    return isPlain && steps.length > 0 === this.isBody && this.needs.add(test);
  }

  classOf(event: EventView): number {
    const start = event.start(this.field);
    const { bytes } = event.batch;
    if (start === 0 || (!this.isBody && bytes[start] !== QUOTE)) return 0;
    return this.needs.run(bytes, start, event.end(this.field)) + 1;
  }

  get size(): number {
    return this.needs.size;
  }

  tell(valueClass: number, _: EventView, known: Knowledge): void {
    if (valueClass > 0) this.needs.tell(valueClass - 1, known);
  }
}

const QUOTE = 0x22;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const NULL = 0x6e;

/** What a test says of a value of this shape, whatever is in it; undefined if that depends. */
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
