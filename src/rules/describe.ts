import { type EventView, Field, type RuleMatch } from "../plugin/index.js";
import { utcText } from "./text.js";

/** One line of `match`'s output. `n` is the number of the event, counted from 1. */
export function describeMatch(match: RuleMatch, event: EventView, n: number): object {
  return {
    n,
    auditID: auditIDOf(event),
    stage: event.text(Field.stage) ?? null,
    rule: match.rule,
    resource: match.resource,
    dialect: match.dialect,
    priority: match.priority,
    actions: match.actions,
    message: match.message(event),
    time: timeOf(event),
    fields: match.fields?.(event) ?? {},
    tags: match.tags,
  };
}

/** The auditID as text, whatever type it has. */
export function auditIDOf(event: EventView): string | null {
  return event.text(Field.auditID) ?? null;
}

/** The event's time in UTC with nine decimals, or the file's time if the event has none. */
function timeOf(event: EventView): string {
  const field = event.timestampField();
  const own = field === undefined ? undefined : utcText(event.text(field) ?? "", 9);
  return own ?? utcText(new Date(event.timeMs()).toISOString(), 9) ?? "";
}
