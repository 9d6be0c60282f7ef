import { utcText } from "./text.js";
import type { TimePart } from "./tree.js";

const DAY = 24 * 60 * 60 * 1000;

/** A part of an RFC 3339 time, in UTC; undefined if the text is not a time. */
export function timePart(text: string, part: TimePart): number | undefined {
  const utc = utcText(text, 6);
  return utc === undefined ? undefined : PARTS[part](new Date(`${utc.slice(0, 19)}Z`));
}

const PARTS: Record<TimePart, (time: Date) => number> = {
  minute: (time) => time.getUTCMinutes(),
  hour: (time) => time.getUTCHours(),
  day: (time) => time.getUTCDate(),
  week: isoWeek,
  month: (time) => time.getUTCMonth() + 1,
  year: (time) => time.getUTCFullYear(),
};

/** The ISO week of a day: that of its Thursday, counted from the first Thursday of the year. */
function isoWeek(time: Date): number {
  const day = Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate());
  const thursday = new Date(day + (4 - (time.getUTCDay() || 7)) * DAY);
  return 1 + Math.floor((thursday.getTime() - Date.UTC(thursday.getUTCFullYear(), 0, 1)) / (7 * DAY));
}
