import { type Batch, Flag, type Predicate } from "../plugin/index.js";

/** Marks the events of a batch that a source leaves out; returns how many of them were read for the first time. */
export function dropEvents(batch: Batch, drop: Predicate): number {
  let dropped = 0;
  for (let row = 0; row < batch.count; row++) {
    const flags = batch.flags(row);
    if (flags & Flag.invalid || !drop(batch.at(row))) continue;
    batch.setFlags(row, flags | Flag.dropped);
    if ((flags & Flag.again) === 0) dropped++;
  }
  return dropped;
}
