import type { EventView } from "../plugin/index.js";
import { easyTime, millisecondsOf } from "./extraction/clock.js";
import type { Facet } from "./facet.js";
import type { Knowledge } from "./fold.js";
import { Outcome, type TestNode } from "./tree.js";

/**
 * Whether an event has a time that no test looks for. Falco's rules switch other rules on and off by `jevt.rawtime exists` and
 * `jevt.rawtime=0`.
 */
export class TimeFacet implements Facet {
  readonly alike = undefined;
  readonly cost = 2;
  private readonly tests: TestNode[] = [];
  /** Times that tests look for, in milliseconds, each with the millisecond after it, to which a time just below it may be rounded. */
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

  /** 1 if the event has a time that no test looks for. */
  classOf(event: EventView): number {
    const time = easyTime(event);
    return Number.isNaN(time) || this.wanted.has(time) ? 0 : 1;
  }

  tell(_: number, __: EventView, known: Knowledge): void {
    for (const node of this.tests)
      known.outcomes.set(node, node.test.op === "exists" || node.negated ? Outcome.yes : Outcome.no);
  }
}
