import { type Batch, type EventView, Flag } from "../plugin/index.js";
import type { Rule } from "./rule.js";

/** True for a rule of which the condition or the message names `evt.num`. */
export function asksForNumber({ condition, paths }: Rule): boolean {
  return JSON.stringify([condition, paths]).includes('"evt.num"');
}

/** How many events came before a batch. */
const before = new WeakMap<Batch, number>();

/** Notes how many events came before this batch; returns how many have come with it. */
export function numberBatch(batch: Batch, earlier: number): number {
  before.set(batch, earlier);
  return earlier + eventsBefore(batch, batch.count);
}

/** The number of an event, the first of all being 1; of those in its batch if that was not numbered. */
export function numberOf({ batch, row }: EventView): number {
  return (before.get(batch) ?? 0) + eventsBefore(batch, row) + 1;
}

function eventsBefore(batch: Batch, end: number): number {
  let count = 0;
  for (let row = 0; row < end; row++) if ((batch.flags(row) & Flag.invalid) === 0) count++;
  return count;
}
