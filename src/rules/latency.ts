import { type EventView, Field, Kind } from "../plugin/index.js";
import { decodeString, utcText } from "./text.js";

/** stageTimestamp − requestReceivedTimestamp in milliseconds, from `parse` if it has run; undefined if either is missing. */
export function latencyOf(event: EventView): number | undefined {
  const parsed = event.batch.latency[event.row];
  if (!Number.isNaN(parsed)) return parsed;
  const from = microseconds(event, Field.requestReceivedTimestamp);
  const to = microseconds(event, Field.stageTimestamp);
  return from === undefined || to === undefined ? undefined : (to - from) / 1000;
}

/** Microseconds since the epoch. */
function microseconds(event: EventView, field: Field): number | undefined {
  if (event.kind(field) !== Kind.string) return undefined;
  const time = utcText(decodeString(event.batch.bytes, event.start(field), event.end(field)), 6);
  return time === undefined ? undefined : Date.parse(`${time.slice(0, 19)}Z`) * 1000 + Number(time.slice(20, 26));
}
