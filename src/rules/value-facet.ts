import { type EventView, type Field, Likeness, NUMBERED } from "../plugin/index.js";
import { type Check, type Compiler, tryCheck } from "./compile.js";
import type { Facet } from "./facet.js";
import type { Knowledge } from "./fold.js";
import { type Interner, type Memo, type Turn, withParent } from "./intern.js";
import { TextFacet } from "./text-facet.js";
import type { Outcome, Test, TestNode } from "./tree.js";

/** Most classes of one field, and most tests that tell them apart; further tests stay in the conditions. */
const MAX_CLASSES = 1000;
const MAX_TESTS = 2000;
/** Most patterns that no text rules out: a new value is put to all tests at once, and patterns are slow. */
const MAX_PATTERNS = 50;
const PATTERNS: ReadonlySet<Test["op"]> = new Set<Test["op"]>(["matches", "matchesWhole", "glob"]);

/** The value of a field with few values. Two values are in one class if all tests say the same about them. */
export class ValueFacet implements Facet {
  readonly cost = 0.1;
  readonly alike: Likeness;
  private readonly interner: Interner;
  private readonly known: Memo;
  /** The class plus one, by the number of a value: this answers for most events. */
  private readonly byNumber: Uint16Array;
  private readonly index: number;
  private readonly turn: Turn;
  /** Equal tests share one check. */
  private readonly tests = new Map<Check, TestNode[]>();
  /** Decides most of the tests for a new value at once. */
  private readonly texts: TextFacet;
  private readonly classes = new Map<string, number>();
  /** For each class, the outcome of each test. */
  private readonly outcomes: (readonly Outcome[])[] = [[]];
  private patterns = 0;

  constructor(
    field: Field,
    private readonly compiler: Compiler,
  ) {
    this.alike = new Likeness(withParent(field));
    this.texts = new TextFacet(field, false);
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
      (this.texts.add(test) || !PATTERNS.has(test.test.op) || this.patterns++ < MAX_PATTERNS)
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
    this.texts.tell(this.texts.classOf(event), event, known);
    const outcomes = [...this.tests].map(([check, [test]]) => known.outcomes.get(test) ?? tryCheck(check, event));
    const key = outcomes.join("");
    const same = this.classes.get(key);
    if (same !== undefined) return same;
    if (this.outcomes.length === MAX_CLASSES) return 0;
    this.classes.set(key, this.outcomes.length);
    return this.outcomes.push(outcomes) - 1;
  }
}
