import type { EventView } from "../plugin/index.js";
import { type Compiler, tryCheck } from "./compile.js";
import type { Facet } from "./facet.js";
import type { Knowledge } from "./fold.js";
import { latencyOf } from "./latency.js";
import type { TestNode } from "./tree.js";

/** Where an event's latency lies among those that tests compare it with. */
export class LatencyFacet implements Facet {
  readonly alike = [];
  readonly cost = 2;
  private readonly tests: TestNode[] = [];
  /** What tests compare with, in milliseconds. */
  private readonly bounds: number[] = [];

  constructor(private readonly compiler: Compiler) {}

  get size(): number {
    return this.tests.length;
  }

  add(node: TestNode): boolean {
    const { test } = node;
    if (test.op !== "number" || this.bounds.length === MAX_BOUNDS || Number.isNaN(test.value)) return false;
    if (!this.bounds.includes(test.value)) this.bounds.push(test.value);
    this.tests.push(node);
    return true;
  }

  /** 1: it has none. From 2 on: by how it compares with each bound. */
  classOf(event: EventView): number {
    const latency = latencyOf(event);
    if (latency === undefined) return 1;
    let order = 0;
    for (const bound of this.bounds) order = order * 3 + (latency < bound ? 0 : latency === bound ? 1 : 2);
    return 2 + order;
  }

  tell(_: number, event: EventView, known: Knowledge): void {
    for (const test of this.tests) known.outcomes.set(test, tryCheck(this.compiler.condition(test), event));
  }
}

/** Most bounds: there are three classes to the power of them. */
const MAX_BOUNDS = 4;
