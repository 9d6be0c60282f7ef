import { type Batch, Flag, type Predicate } from "../plugin/index.js";

/** Whether a sink takes a row of a batch. */
export type Select = (batch: Batch, row: number) => boolean;

/** `all`, `archived`, `alerting`, or a condition. Dropped rows are nobody's; invalid lines go to who takes `all`. */
export function createSelect(select: string, condition: (text: string) => Predicate): Select {
  if (select === "all") return (batch, row) => (batch.flags(row) & Flag.dropped) === 0;
  if (select === "archived") return flagged(Flag.archived);
  if (select === "alerting") return flagged(Flag.alerting);
  const predicate = condition(select);
  return (batch, row) => (batch.flags(row) & (Flag.dropped | Flag.invalid)) === 0 && predicate(batch.at(row));
}

const flagged =
  (flag: Flag): Select =>
  (batch, row) =>
    (batch.flags(row) & (flag | Flag.dropped)) === flag;
