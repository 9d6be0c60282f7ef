import { type Batch, type EventView, Flag } from "../plugin/index.js";
import type { Rule } from "./rule.js";

/** True if the rule's condition or message uses `evt.num`. */
export function asksForNumber({ condition, paths }: Rule): boolean {
  return JSON.stringify([condition, paths]).includes('"evt.num"');
}

/** How many events came before each batch. */
const before = new WeakMap<Batch, number>();

/** Notes how many events came before this batch; returns the total including its own. */
export function numberBatch(batch: Batch, earlier: number): number {
  before.set(batch, earlier);
  return earlier + eventsBefore(batch, batch.count);
}

/** The number of an event, counted from 1. If its batch was not numbered, counting starts with the batch. */
export function numberOf({ batch, row }: EventView): number {
  return (before.get(batch) ?? 0) + eventsBefore(batch, row) + 1;
}

function eventsBefore(batch: Batch, end: number): number {
  let count = 0;
  for (let row = 0; row < end; row++) if ((batch.flags(row) & Flag.invalid) === 0) count++;
  return count;
}
