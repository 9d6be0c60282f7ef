import { type EventView, type Field, Keys } from "../plugin/index.js";
import type { Facet } from "./facet.js";
import type { Knowledge } from "./fold.js";
import { endedKeys } from "./needs.js";
import { NumberedSets } from "./numbered-sets.js";
import { Outcome, type TestNode } from "./tree.js";

/** The keys that a body must have for a test to say "yes". */
interface Need {
  readonly keys: readonly number[];
  /** The test's outcome if one of them is missing; undefined if the test may also fail. */
  readonly missed: Outcome | undefined;
}

/** Most keys looked for. */
const MAX_KEYS = 500;
/** Most narrowed facets, which look only for the few keys that a node of the decision tree needs, and most keys of each. */
const MAX_NARROWED = 16;
const FEW_KEYS = 16;

/** Which of the keys that tests follow occur in a body. Keys are found much faster than texts, and most are missing. */
export class KeyFacet implements Facet {
  readonly alike = undefined;
  readonly cost = 20;
  private readonly needs = new Map<TestNode, Need>();
  /** The number of each key, as a list of one, because that is what a set is extended by. */
  private readonly numbers = new Map<string, readonly [number]>();
  private readonly members: (readonly [number])[] = [];
  private readonly sets = new NumberedSets();
  private keys: Keys | undefined;
  /** Narrowed facets, by the numbers of their keys. */
  private readonly narrowed = new Map<string, KeyFacet>();

  constructor(private readonly field: Field) {}

  get size(): number {
    return this.needs.size;
  }

  add(test: TestNode): boolean {
    const { path } = test;
    const names = endedKeys(path, test.test.op === "exists").filter(Keys.isFindable);
    const keys = names.flatMap((name) => this.numberOf(name) ?? []);
    if (keys.length === 0) return false;
    const canFail = path.steps.some(({ type }) => type === "items");
    this.needs.set(test, { keys, missed: canFail ? undefined : Outcome.no });
    return true;
  }

  /** Looks only for the keys of these tests. A search for keys that few bodies have usually ends at once, because there are none. */
  narrow(tests: readonly TestNode[]): KeyFacet {
    const needed = new Set(tests.flatMap((test) => this.needs.get(test)!.keys));
    if (needed.size > FEW_KEYS || needed.size === this.numbers.size) return this;
    const name = [...needed].sort((a, b) => a - b).join();
    let facet = this.narrowed.get(name);
    if (facet === undefined) {
      if (this.narrowed.size === MAX_NARROWED) return this;
      facet = new KeyFacet(this.field);
      for (const [key, number] of this.numbers) if (needed.has(number[0])) facet.lookFor(key, number);
      this.narrowed.set(name, facet);
    }
    for (const test of tests) facet.needs.set(test, this.needs.get(test)!);
    return facet;
  }

  classOf(event: EventView): number {
    const start = event.start(this.field);
    if (start === 0) return 0;
    this.keys ??= new Keys([...this.numbers.keys()]);
    const { batch } = event;
    const count = batch.findKeys(this.keys, start, event.end(this.field));
    const { foundKeys } = batch;
    let set = count < 0 ? -1 : 0;
    for (let i = 0; i < count && set >= 0; i++) set = this.sets.union(set, foundKeys[i], this.members[foundKeys[i]]);
    return set + 1;
  }

  tell(valueClass: number, _: EventView, known: Knowledge): void {
    if (valueClass === 0) return;
    for (const [test, { keys, missed }] of this.needs) {
      if (keys.every((key) => this.sets.has(valueClass - 1, key))) continue;
      if (missed === undefined) known.refuted.add(test);
      else known.outcomes.set(test, missed);
    }
  }

  private numberOf(name: string): readonly [number] | undefined {
    const known = this.numbers.get(name);
    if (known !== undefined || this.numbers.size === MAX_KEYS) return known;
    const added = [this.numbers.size] as const;
    this.lookFor(name, added);
    return added;
  }

  /** A narrowed facet's keys keep the numbers that they have in the whole one. */
  private lookFor(name: string, number: readonly [number]): void {
    this.numbers.set(name, number);
    this.members.push(number);
  }
}
