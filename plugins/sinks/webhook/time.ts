import type { EventView } from "../../../src/plugin/index.js";

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

/** An event's time in UTC as RFC 3339: as it stands in the event if it is one, else to the millisecond. */
export function timeOf(event: EventView): string {
  const field = event.timestampField();
  const text = field === undefined ? undefined : event.text(field);
  if (text !== undefined && RFC_3339.test(text) && Number.isFinite(Date.parse(text))) return text;
  const time = new Date(event.timeMs());
  return Number.isFinite(time.getTime()) ? time.toISOString() : new Date(0).toISOString();
}
