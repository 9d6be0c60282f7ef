import type { EventView, Likeness } from "../plugin/index.js";
import type { Knowledge } from "./fold.js";
import type { TestNode } from "./tree.js";

/**
 * Something that is cheap to find out about an event and decides tests: events of one class are alike to all tests of a
 * facet. Of class 0 nothing is known.
 */
export interface Facet {
  /** What it costs to ask, roughly: 1 is one look-up. */
  readonly cost: number;
  /** Events that are alike so (`Batch.kinds`) are of one class; undefined if that takes more. */
  readonly alike: Likeness | undefined;
  /** How many tests it knows of. */
  readonly size: number;
  /** Only before the first event. False if it has nothing to say of the test. */
  add(test: TestNode): boolean;
  classOf(event: EventView): number;
  /** What tells the same of these tests, which it knows of, for less; itself if there is no such thing. */
  narrow?(tests: readonly TestNode[]): Facet;
  /** Adds what is known of events of this class, of which `event` is one. */
  tell(valueClass: number, event: EventView, known: Knowledge): void;
}
