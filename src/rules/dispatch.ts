import { type Batch, type EventView, type Likeness, MAX_KINDS } from "../plugin/index.js";
import type { Check, Compiler } from "./compile.js";
import type { Facet } from "./facet.js";
import { Facets } from "./facets.js";
import { foldCondition, isOutcome, type Knowledge } from "./fold.js";
import { type Expression, Outcome, type TestNode, testsOf } from "./tree.js";
import { ValueFacet } from "./value-facet.js";

/** An entry (rule) that may still match an event. */
export interface Candidate<Entry> {
  readonly entry: Entry;
  /** The part of its condition that is still to be evaluated; undefined if the condition is met. */
  readonly check: Check | undefined;
}

/** What is left of an entry's condition, or its outcome once that is settled. Entries whose outcome is "no" are dropped. */
interface Rest<Entry> {
  readonly entry: Entry;
  readonly rest: Expression | Outcome;
}

/** A node of the decision tree: all events that have had the same classes in every facet asked so far. */
interface Node<Entry> {
  /** The facet to ask next; undefined where no facet could say more. */
  readonly facet: Facet | undefined;
  /** The same facet if it is a ValueFacet, as most are: a call through one class is much faster. */
  readonly value: ValueFacet | undefined;
  /** The next node, by class. */
  readonly next: (Node<Entry> | undefined)[];
  readonly candidates: readonly Candidate<Entry>[];
  /** Nothing is left to evaluate: no facet and no check. */
  readonly isSettled: boolean;
  readonly rests: readonly Rest<Entry>[];
  /** The facets asked on the way here, including this node's. */
  readonly asked: ReadonlySet<Facet>;
}

/** Most tests folded, over all kinds, before the tree may start over: bounds the time. */
const MAX_FOLDED = 1 << 23;
/** Most nodes and rests kept: bounds the memory. */
const MAX_KEPT = 1 << 18;
/** Fewest events between two starts: when events keep being of new kinds, there is little to learn from them. */
const MIN_EVENTS = 1 << 17;

/**
 * Finds the entries that may match an event, and what is left of their conditions, with a decision tree that it learns from the
 * events. Each node asks one {@link Facet}. When a class comes up for the first time, all conditions are folded once with what it
 * tells. Most become "no" or "yes", and values that no remaining test asks about are not read. The leaves hold the tests of what
 * differs from event to event.
 */
export class Dispatch<Entry> {
  private readonly whole: readonly Candidate<Entry>[];
  private readonly rests: readonly Rest<Entry>[];
  private readonly facets: Facets;
  private root: Node<Entry>;
  private readonly likeness: Likeness;
  /** For each kind of event, the node where the facets that depend only on the kind lead; see {@link Batch.kinds}. */
  private readonly byKind: (Node<Entry> | undefined)[] = new Array(MAX_KINDS).fill(undefined);
  /** 1 for kinds that no entry can match. */
  private readonly idle = new Uint8Array(MAX_KINDS);
  private kinds: Uint16Array = new Uint16Array(0);
  private numbering: object = this;
  private folded = 0;
  private kept = 0;
  /** Events since the tree last started over. */
  private events = 0;

  constructor(
    entries: readonly { readonly entry: Entry; readonly condition: Expression }[],
    private readonly compiler: Compiler,
  ) {
    this.facets = new Facets(compiler);
    this.rests = entries.map(({ entry, condition }) => ({ entry, rest: condition }));
    this.whole = this.rests.map((rest) => this.candidate(rest));
    for (const { condition } of entries) for (const test of testsOf(condition)) this.facets.add(test);
    this.likeness = this.facets.likeness();
    this.root = this.node(this.rests, new Set());
  }

  /** Starts a batch. */
  begin(batch: Batch): void {
    const { numbers, numbering } = batch.kinds(this.likeness);
    if (numbering !== this.numbering) this.forgetKinds();
    this.kinds = numbers;
    this.numbering = numbering;
    this.events += batch.count;
  }

  /** True if no entry can match this event of the current batch, which holds for most: its kind tells, without reading it. */
  isIdle(row: number): boolean {
    return this.idle[this.kinds[row]] === 1;
  }

  /** The candidates for an event of the current batch, in order of definition. */
  candidates(event: EventView): readonly Candidate<Entry>[] {
    let node = this.byKind[this.kinds[event.row]];
    if (node?.isSettled) return node.candidates;
    this.compiler.next(event);
    node ??= this.start(event);
    for (;;) {
      const facet: Facet | undefined = node.value ?? node.facet;
      if (facet === undefined) return node.candidates;
      const valueClass: number = node.value === undefined ? facet.classOf(event) : node.value.classOf(event);
      const next: Node<Entry> | undefined = node.next[valueClass] ?? this.learn(node, facet, valueClass, event);
      if (next === undefined) return this.whole;
      node = next;
    }
  }

  /** Walks from the root as far as the event's kind decides, and remembers that node for the kind. */
  private start(event: EventView): Node<Entry> {
    let node = this.root;
    for (let { facet } = node; facet?.alike !== undefined; { facet } = node) {
      const valueClass = facet.classOf(event);
      const next: Node<Entry> | undefined = node.next[valueClass] ?? this.learn(node, facet, valueClass, event);
      if (next === undefined) return node;
      node = next;
    }
    const kind = this.kinds[event.row];
    if (kind !== 0) {
      this.byKind[kind] = node;
      this.idle[kind] = Number(node.isSettled && node.candidates.length === 0);
    }
    return node;
  }

  private forgetKinds(): void {
    this.byKind.fill(undefined);
    this.idle.fill(0);
  }

  /** Adds a node for events of this class. Undefined if there is no room for it: then all entries are candidates. */
  private learn(from: Node<Entry>, facet: Facet, valueClass: number, event: EventView): Node<Entry> | undefined {
    if (this.folded >= MAX_FOLDED || this.kept >= MAX_KEPT) {
      if (this.events < MIN_EVENTS) return undefined;
      this.folded = 0;
      this.kept = 0;
      this.events = 0;
      this.root = this.node(this.rests, new Set());
      this.forgetKinds();
      return undefined;
    }
    const known: Knowledge = { outcomes: new Map(), refuted: new Set() };
    facet.tell(valueClass, event, known);
    this.folded += facet.size;
    const rests = valueClass === 0 ? from.rests : this.fold(from.rests, known);
    const node = this.node(rests, from.asked);
    from.next[valueClass] = node;
    return node;
  }

  private fold(rests: readonly Rest<Entry>[], known: Knowledge): Rest<Entry>[] {
    const left: Rest<Entry>[] = [];
    for (const before of rests) {
      const { entry, rest } = before;
      const folded = isOutcome(rest) ? rest : foldCondition(rest, known);
      if (folded === rest) left.push(before);
      else if (folded !== Outcome.no) left.push({ entry, rest: folded });
    }
    return left;
  }

  private node(rests: readonly Rest<Entry>[], asked: ReadonlySet<Facet>): Node<Entry> {
    this.kept += 1 + rests.length;
    const chosen = this.choose(rests, asked);
    const facet = chosen?.narrow === undefined ? chosen : chosen.narrow(this.testsFor(chosen, rests));
    const candidates = facet ? [] : rests.map((rest) => this.candidate(rest));
    return {
      facet,
      value: facet instanceof ValueFacet ? facet : undefined,
      next: [],
      candidates,
      isSettled: facet === undefined && candidates.every(({ check }) => check === undefined),
      rests: facet ? rests : [],
      asked: chosen ? new Set(asked).add(chosen) : asked,
    };
  }

  /** The remaining tests that a facet can decide. */
  private testsFor(facet: Facet, rests: readonly Rest<Entry>[]): TestNode[] {
    const tests = rests.flatMap(({ rest }) => (isOutcome(rest) ? [] : [...testsOf(rest)]));
    return tests.filter((test) => this.facets.of(test).includes(facet));
  }

  private candidate({ entry, rest }: Rest<Entry>): Candidate<Entry> {
    if (rest === Outcome.yes) return { entry, check: undefined };
    return { entry, check: isOutcome(rest) ? () => rest : this.compiler.condition(rest) };
  }

  /** The facet that most conditions ask about in relation to its cost. Facets that depend only on the event's kind come first. */
  private choose(rests: readonly Rest<Entry>[], asked: ReadonlySet<Facet>): Facet | undefined {
    const asking = new Map<Facet, number>();
    for (const { rest } of rests) {
      if (isOutcome(rest)) continue;
      const facets = new Set<Facet>();
      for (const test of testsOf(rest)) {
        this.folded++;
        for (const facet of this.facets.of(test)) if (!asked.has(facet)) facets.add(facet);
      }
      for (const facet of facets) asking.set(facet, (asking.get(facet) ?? 0) + 1);
    }
    const facets = [...asking.keys()];
    const ofKind = facets.filter(({ alike }) => alike !== undefined);
    const worth = (facet: Facet) => asking.get(facet)! / facet.cost;
    return (ofKind.length > 0 ? ofKind : facets).reduce<Facet | undefined>(
      (best, facet) => (best === undefined || worth(facet) > worth(best) ? facet : best),
      undefined,
    );
  }
}
