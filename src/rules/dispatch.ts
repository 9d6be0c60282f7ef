import type { EventView, Field } from "../plugin/index.js";
import { type Check, type Compiler, tryCheck } from "./compile.js";
import { foldCondition, isOutcome } from "./fold.js";
import { type Expression, Outcome, type TestNode, testsOf } from "./tree.js";

/** An entry (rule) that an event leaves possible. */
export interface Candidate<Entry> {
  readonly entry: Entry;
  /** What its condition still asks of such events. */
  readonly check: Check;
}

/** Events that are alike in their first fields: those that are alike in the next one too, by its class. */
interface Kind<Entry> {
  readonly next: (Kind<Entry> | undefined)[];
  /** Where no field is left. */
  candidates?: readonly Candidate<Entry>[];
}

/** Most tests that are folded, over all kinds, from one start to the next: bounds the time. */
const MAX_FOLDED = 1 << 23;
/** Most kinds and candidates that are kept: bounds the memory. */
const MAX_KEPT = 1 << 16;
/** Events from one start to the next, at least: there is little to learn from events of ever new kinds. */
const MIN_EVENTS = 1 << 17;

/**
 * Finds the entries that an event leaves possible, and what their conditions still ask. Two values of a field with few
 * values are of one class if all tests of all conditions say the same of them, two events of one kind if their values are
 * of the same classes. Once per kind, every condition is folded with all that is then known: most turn out "no" or "yes",
 * the rest keep their tests of what differs from event to event.
 */
export class Dispatch<Entry> {
  private readonly whole: readonly Candidate<Entry>[];
  private readonly conditions: readonly Expression[];
  private readonly fields: readonly FieldClasses[];
  private root: Kind<Entry> = { next: [] };
  private readonly tests: number;
  private folded = 0;
  private kept = 0;
  /** Events since the last start. */
  private events = 0;

  constructor(
    entries: readonly Entry[],
    conditionOf: (entry: Entry) => Expression,
    private readonly compiler: Compiler,
  ) {
    this.conditions = entries.map(conditionOf);
    this.whole = entries.map((entry, index) => ({ entry, check: compiler.condition(this.conditions[index]) }));
    const fields = new Map<Field, FieldClasses>();
    const tests = this.conditions.flatMap((condition) => [...testsOf(condition)]);
    this.tests = tests.length;
    for (const test of tests) {
      const field = compiler.fieldOf(test);
      if (field === undefined) continue;
      const classes = fields.get(field) ?? new FieldClasses(field, compiler);
      fields.set(field, classes);
      classes.add(test);
    }
    this.fields = [...fields.values()];
  }

  /** In order of definition. */
  candidates(event: EventView): readonly Candidate<Entry>[] {
    this.events++;
    let kind: Kind<Entry> | undefined = this.root;
    for (let i = 0; i < this.fields.length; i++) {
      kind = kind.next[this.fields[i].classOf(event)];
      if (kind === undefined) break;
    }
    return kind?.candidates ?? this.learn(event);
  }

  /** Makes the kind of this event known; as long as there is no room for it, all entries are candidates. */
  private learn(event: EventView): readonly Candidate<Entry>[] {
    if (this.folded >= MAX_FOLDED || this.kept >= MAX_KEPT) {
      if (this.events < MIN_EVENTS) return this.whole;
      this.root = { next: [] };
      this.folded = 0;
      this.kept = 0;
      this.events = 0;
    }
    const known = new Map<TestNode, Outcome>();
    let kind = this.root;
    for (const field of this.fields) {
      const valueClass = field.classOf(event);
      field.tell(valueClass, known);
      kind = kind.next[valueClass] ??= { next: [] };
    }
    kind.candidates = this.fold(known);
    this.folded += this.tests;
    this.kept += this.fields.length + kind.candidates.length;
    return kind.candidates;
  }

  private fold(known: ReadonlyMap<TestNode, Outcome>): readonly Candidate<Entry>[] {
    return this.whole.flatMap(({ entry }, index) => {
      const rest = foldCondition(this.conditions[index], (test) => known.get(test));
      if (!isOutcome(rest)) return [{ entry, check: this.compiler.condition(rest) }];
      return rest === Outcome.no ? [] : [{ entry, check: () => rest }];
    });
  }
}

/** Most classes of one field, and tests of it that tell them apart; the rest stays in the conditions. */
const MAX_CLASSES = 1000;
const MAX_TESTS = 2000;
/** A new value is put to all tests at once, and patterns are slow. */
const MAX_PATTERNS = 50;

/** The classes of one field's values. Of class 0, nothing is known. */
class FieldClasses {
  /** The class of the event's value. */
  readonly classOf: (event: EventView) => number;
  /** Tests that are equal have one check. */
  private readonly tests = new Map<Check, TestNode[]>();
  private readonly classes = new Map<string, number>();
  /** By class, what each test says. */
  private readonly outcomes: (readonly Outcome[])[] = [[]];
  private patterns = 0;

  constructor(
    field: Field,
    private readonly compiler: Compiler,
  ) {
    this.classOf = compiler.memo(field, (event) => this.classify(event));
  }

  /** Only before the first event. */
  add(test: TestNode): void {
    const check = this.compiler.condition(test);
    const equal = this.tests.get(check);
    if (equal) equal.push(test);
    else if (this.tests.size < MAX_TESTS && (test.test.op !== "matches" || this.patterns++ < MAX_PATTERNS))
      this.tests.set(check, [test]);
  }

  /** Adds what is known of values of a class. */
  tell(valueClass: number, known: Map<TestNode, Outcome>): void {
    const outcomes = this.outcomes[valueClass];
    let index = 0;
    for (const equal of this.tests.values()) {
      const outcome = outcomes[index++];
      if (outcome !== undefined) for (const test of equal) known.set(test, outcome);
    }
  }

  private classify(event: EventView): number {
    const outcomes = [...this.tests.keys()].map((check) => tryCheck(check, event));
    const key = outcomes.join("");
    const known = this.classes.get(key);
    if (known !== undefined) return known;
    if (this.outcomes.length === MAX_CLASSES) return 0;
    this.classes.set(key, this.outcomes.length);
    return this.outcomes.push(outcomes) - 1;
  }
}
