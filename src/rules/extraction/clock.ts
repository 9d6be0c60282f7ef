import { hostname } from "node:os";
import { type EventView, parseTime } from "../../plugin/index.js";
import { numberOf } from "../event-number.js";
import { utcText } from "../text.js";
import type { FieldDefinition, Texts } from "./field.js";
import { lineJson, textAsShown } from "./json.js";

/** A field that is not in the event's JSON: its time, its number, where it comes from. */
export interface EventProperty extends Omit<FieldDefinition, "read" | "path" | "looksAt"> {
  /** Fewest digits in a message. */
  readonly digits?: number;
  read(event: EventView): Texts;
  /** The value in an alert's fields if that differs from its text: times are in nanoseconds there, as in Falco's JSON. */
  value?(event: EventView): string | undefined;
}

const one = (text: string | undefined): Texts => (text === undefined ? undefined : [text]);

/**
 * The event's time in UTC with nine decimals; undefined if it has none. Any of the event's times will do, where Falco reads only
 * stageTimestamp.
 */
export function timeOf(event: EventView): string | undefined {
  const field = event.timestampField();
  return field === undefined ? undefined : utcText(event.text(field) ?? "", 9);
}

/** The event's time in nanoseconds since the epoch. */
function nanosecondsOf(event: EventView): bigint | undefined {
  const time = timeOf(event);
  return time === undefined
    ? undefined
    : BigInt(Date.parse(`${time.slice(0, 19)}Z`)) * 1_000_000n + BigInt(time.slice(20, 29));
}

/** The event's time in whole milliseconds if the fast parser can read it; otherwise NaN. */
export function easyTime(event: EventView): number {
  const field = event.timestampField();
  if (field === undefined) return Number.NaN;
  return Math.floor(parseTime(event.batch.bytes, event.start(field) + 1, event.end(field) - 1));
}

/** The whole milliseconds in a text of nanoseconds; undefined if it is not such a text. */
export function millisecondsOf(nanoseconds: string): number | undefined {
  return /^(?:0|[1-9]\d{0,18})$/.test(nanoseconds) ? Number(BigInt(nanoseconds) / 1_000_000n) : undefined;
}

const nanoseconds = (event: EventView): string | undefined => nanosecondsOf(event)?.toString();

/** A time as text, derived from `2018-10-25T13:58:49.736141000Z`. */
function shownTime(name: string, show: (time: string) => string): EventProperty {
  return {
    name,
    read: (event) => {
      const time = timeOf(event);
      return time === undefined ? undefined : [show(time)];
    },
    value: nanoseconds,
  };
}

function count(name: string, of: (nanoseconds: bigint) => bigint, digits?: number): EventProperty {
  return {
    name,
    type: "number",
    digits,
    read: (event) => {
      const time = nanosecondsOf(event);
      return time === undefined ? undefined : [of(time).toString()];
    },
  };
}

const SECOND = 1_000_000_000n;

/** The fields of `sinsp_filtercheck_gen_event.cpp` of libs 0.25.4, and the time of the plugin json. Times are shown in UTC. */
const PROPERTIES: readonly EventProperty[] = [
  { name: "jevt.rawtime", read: (event) => one(nanoseconds(event)) },
  { name: "json.rawtime", read: (event) => one(nanoseconds(event)) },
  { name: "evt.num", type: "number", read: (event) => [String(numberOf(event))] },
  shownTime("evt.time", (time) => time.slice(11, 29)),
  shownTime("evt.time.s", (time) => time.slice(11, 19)),
  shownTime("evt.time.iso8601", (time) => `${time.slice(0, 29)}+0000`),
  shownTime("evt.datetime", (time) => `${time.slice(0, 10)} ${time.slice(11, 29)}`),
  shownTime("evt.datetime.s", (time) => `${time.slice(0, 10)} ${time.slice(11, 19)}`),
  count("evt.rawtime", (time) => time),
  count("evt.rawtime.s", (time) => time / SECOND),
  count("evt.rawtime.ns", (time) => time % SECOND, 9),
  { name: "evt.pluginname", read: () => ["k8saudit"] },
  { name: "evt.source", read: () => ["k8s_audit"] },
  { name: "evt.is_async", type: "boolean", read: () => ["false"] },
  { name: "evt.asynctype", read: () => undefined },
  { name: "evt.plugininfo", read: (event) => [lineJson(event, textAsShown).text()] },
  { name: "evt.hostname", read: () => [hostname()] },
  // Absent, because they count from the first event of a capture, and there is no capture.
  ...["evt.reltime", "evt.reltime.s", "evt.reltime.ns"].map(
    (name): EventProperty => ({ name, type: "number", read: () => undefined }),
  ),
];

/** The same, by name. */
export const EVENT_PROPERTIES: ReadonlyMap<string, EventProperty> = new Map(
  PROPERTIES.map((property) => [property.name, property]),
);
