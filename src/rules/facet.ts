import type { EventView, Likeness } from "../plugin/index.js";
import type { Knowledge } from "./fold.js";
import type { TestNode } from "./tree.js";

/**
 * Something cheap to find out about an event that decides tests. It sorts events into classes: all tests of the facet give events
 * of one class the same outcome. Class 0 means that nothing is known.
 */
export interface Facet {
  /** Rough cost of asking; 1 is one look-up. */
  readonly cost: number;
  /** Events with this likeness in common (`Batch.kinds`) are in one class; undefined if their kind alone does not tell. */
  readonly alike: Likeness | undefined;
  /** The number of tests that it can decide. */
  readonly size: number;
  /** Allowed only before the first event. False if the facet says nothing about the test. */
  add(test: TestNode): boolean;
  classOf(event: EventView): number;
  /** A cheaper facet that tells the same about these tests, which must be among its own; itself if there is none. */
  narrow?(tests: readonly TestNode[]): Facet;
  /** Adds what is known of events of this class, of which `event` is one. */
  tell(valueClass: number, event: EventView, known: Knowledge): void;
}
