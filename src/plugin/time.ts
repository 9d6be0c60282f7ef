import { COLON, DOT, MINUS, PLUS } from "./ascii.js";

const DAY = 86_400_000;
const YEAR_0 = Date.parse("0000-01-01T00:00:00Z");
const YEAR_10000 = Date.parse("+010000-01-01T00:00:00Z");

const T = 0x54;
const Z = 0x5a;

/** Bytes of a time up to its seconds: `2024-05-01T02:03:`. */
const MINUTE_LENGTH = 17;
/** The minute that was parsed last, and its epoch milliseconds as if it were UTC: of most times, nothing else is new. */
const lastMinute = new Uint8Array(MINUTE_LENGTH);
let lastMinuteTime = 0;

/**
 * Epoch milliseconds of the RFC 3339 time in [start, end), without quotes; NaN if it is not one. Fractions are kept, so
 * microseconds are thousandths. Strict as Go's parser is: upper-case `T` and `Z`, no leap second, real days only; and the
 * UTC year has four digits.
 */
export function parseTime(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 20 || end > bytes.length) return Number.NaN;
  const minute = isLastMinute(bytes, start) ? lastMinuteTime : parseMinute(bytes, start);
  const second = digits(bytes, start + 17, 2);
  if (!(second <= 59)) return Number.NaN;

  let at = start + 19;
  let fraction = 0;
  if (bytes[at] === DOT) {
    const first = ++at;
    let unit = 1;
    for (; at < end && isDigit(bytes[at]); at++) {
      // More digits than a time has room for.
      if (at - first >= 12) continue;
      fraction = fraction * 10 + bytes[at] - 0x30;
      unit *= 10;
    }
    if (at === first) return Number.NaN;
    fraction = (fraction * 1000) / unit;
  }
  const time = minute + second * 1000 + fraction - offsetMinutes(bytes, at, end) * 60_000;
  return time >= YEAR_0 && time < YEAR_10000 ? time : Number.NaN;
}

function isLastMinute(bytes: Uint8Array, start: number): boolean {
  for (let i = MINUTE_LENGTH - 1; i >= 0; i--) if (bytes[start + i] !== lastMinute[i]) return false;
  return true;
}

/** Epoch milliseconds of `YYYY-MM-DDThh:mm:` as if it were UTC; NaN if it is none. */
function parseMinute(bytes: Uint8Array, start: number): number {
  const year = digits(bytes, start, 4);
  const month = digits(bytes, start + 5, 2);
  const day = digits(bytes, start + 8, 2);
  const hour = digits(bytes, start + 11, 2);
  const minute = digits(bytes, start + 14, 2);
  if (
    bytes[start + 4] !== MINUS ||
    bytes[start + 7] !== MINUS ||
    bytes[start + 10] !== T ||
    bytes[start + 13] !== COLON ||
    bytes[start + 16] !== COLON ||
    !(month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month)) ||
    !(hour <= 23 && minute <= 59)
  ) {
    return Number.NaN;
  }
  for (let i = 0; i < MINUTE_LENGTH; i++) lastMinute[i] = bytes[start + i];
  lastMinuteTime = dayNumber(year, month, day) * DAY + (hour * 60 + minute) * 60_000;
  return lastMinuteTime;
}

/** UTC day of a time as `YYYY.MM.DD`, the way daily indices are named. */
export function dayName(time: number): string {
  return new Date(time).toISOString().slice(0, 10).replaceAll("-", ".");
}

/** {@link dayName} of times that nearly always are of the same day. */
export class DayNames {
  private day = Number.NaN;
  private name = "";

  nameOf(time: number): string {
    const day = Math.floor(time / DAY);
    if (day !== this.day) {
      this.day = day;
      this.name = dayName(time);
    }
    return this.name;
  }
}

/** Minutes east of UTC of the zone in [at, end); NaN if malformed. */
function offsetMinutes(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] === Z) return at + 1 === end ? 0 : Number.NaN;
  const sign = bytes[at] === PLUS ? 1 : bytes[at] === MINUS ? -1 : Number.NaN;
  if (at + 6 !== end || bytes[at + 3] !== COLON) return Number.NaN;
  const hours = digits(bytes, at + 1, 2);
  const minutes = digits(bytes, at + 4, 2);
  return hours <= 23 && minutes <= 59 ? sign * (hours * 60 + minutes) : Number.NaN;
}

function digits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    if (!isDigit(bytes[i])) return Number.NaN;
    value = value * 10 + bytes[i] - 0x30;
  }
  return value;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function daysOf(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar; years begin in March here, so that leap days come last. */
function dayNumber(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1;
  const m = month > 2 ? month - 3 : month + 9;
  return (
    365 * y +
    Math.floor(y / 4) -
    Math.floor(y / 100) +
    Math.floor(y / 400) +
    Math.floor((153 * m + 2) / 5) +
    day -
    719_469
  );
}
