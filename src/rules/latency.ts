import { type EventView, Field, parseTime, QUOTE } from "../plugin/index.js";
import { decodeString, isPlain } from "./text.js";

/** stageTimestamp − requestReceivedTimestamp in milliseconds, from `parse` if that has run; undefined if either time is missing. */
export function latencyOf(event: EventView): number | undefined {
  const parsed = event.batch.latency[event.row];
  if (!Number.isNaN(parsed)) return parsed;
  const from = microseconds(event, Field.requestReceivedTimestamp);
  const to = microseconds(event, Field.stageTimestamp);
  return from === undefined || to === undefined ? undefined : (to - from) / 1000;
}

/** Whole microseconds since the epoch. */
function microseconds(event: EventView, field: Field): number | undefined {
  const start = event.start(field);
  const end = event.end(field);
  const { bytes } = event.batch;
  if (start === 0 || bytes[start] !== QUOTE) return undefined;
  const text = isPlain(bytes, start, end) ? undefined : Buffer.from(decodeString(bytes, start, end));
  const time = text ? parseTime(text, 0, text.length) : parseTime(bytes, start + 1, end - 1);
  return Number.isNaN(time) ? undefined : Math.round(time * 1000);
}
