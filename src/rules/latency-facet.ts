import { type EventView, Likeness, MAX_LATENCIES } from "../plugin/index.js";
import { type Compiler, tryCheck } from "./compile.js";
import type { Facet } from "./facet.js";
import type { Knowledge } from "./fold.js";
import type { TestNode } from "./tree.js";

/** Where an event's latency lies among the values that tests compare it with. */
export class LatencyFacet implements Facet {
  readonly cost = 0.1;
  private readonly tests: TestNode[] = [];
  /** The values that tests compare with, in milliseconds. */
  private readonly bounds: number[] = [];
  readonly alike = new Likeness([], this.bounds);

  constructor(private readonly compiler: Compiler) {}

  get size(): number {
    return this.tests.length;
  }

  add(node: TestNode): boolean {
    const { test } = node;
    if (test.op !== "number" || this.bounds.length === MAX_LATENCIES || Number.isNaN(test.value)) return false;
    if (!this.bounds.includes(test.value)) this.bounds.push(test.value);
    this.tests.push(node);
    return true;
  }

  /** Encodes how the latency compares with each bound. */
  classOf({ batch, row }: EventView): number {
    const latency = batch.latency[row];
    if (Number.isNaN(latency)) return 0;
    let order = 0;
    for (const bound of this.bounds) order = order * 3 + (latency < bound ? 0 : latency === bound ? 1 : 2);
    return 1 + order;
  }

  tell(valueClass: number, event: EventView, known: Knowledge): void {
    if (valueClass === 0) return;
    for (const test of this.tests) known.outcomes.set(test, tryCheck(this.compiler.condition(test), event));
  }
}
