/** Times as a kube-apiserver writes them (`"2026-11-26T02:39:37.123456Z"`), read as `../../plugin/time.ts` does. */

/** Bytes of a time, quotes included. */
const LENGTH: u32 = 29;
/**
 * `2026-11-26T02:39`: the last minute read, because most times differ only in what follows. Its bytes, and its milliseconds since
 * 1970.
 */
let minute: v128 = i8x16.splat(0);
let minuteTime: f64 = 0;

/**
 * Writes the epoch milliseconds of a field of `count` rows to `out`; NaN if it is missing or has any other form. Returns how many
 * have another form.
 */
export function times(bytes: usize, rows: usize, rowBytes: usize, count: u32, field: usize, out: usize): u32 {
  let others: u32 = 0;
  let span = rows + field;
  for (let row: u32 = 0; row < count; row++) {
    const start = load<u32>(span);
    let time: f64 = NaN;
    if (start) {
      if (load<u32>(span, 4) - start === LENGTH) time = timeAt(bytes + start + 1);
      if (isNaN(time)) others++;
    }
    store<f64>(out, time);
    span += rowBytes;
    out += 8;
  }
  return others;
}

/** The time whose first digit is at `p`; NaN if it has another form or is invalid. */
// @ts-ignore: decorator
@inline
function timeAt(p: usize): f64 {
  const start = v128.load(p);
  if (v128.any_true(v128.xor(start, minute)) && !parseMinute(p)) return NaN;
  const second = digits(p + 17, 2);
  const fraction = digits(p + 20, 6);
  // Colon, point, Z and quote.
  const rest = load<u8>(p, 16) === 0x3a && load<u8>(p, 19) === 0x2e && load<u16>(p, 26) === 0x225a;
  if (!rest || second > 59 || fraction === NONE) return NaN;
  return minuteTime + <f64>(second * 1000) + <f64>(fraction * 1000) / 1_000_000;
}

/** The result of {@link digits} for anything but digits. */
const NONE: u32 = 0xffffffff;

/** The value of this many digits at `p`. */
// @ts-ignore: decorator
@inline
function digits(p: usize, count: u32): u32 {
  let value: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const digit: u32 = <u32>load<u8>(p + i) - 0x30;
    if (digit > 9) return NONE;
    value = value * 10 + digit;
  }
  return value;
}

/** Reads `YYYY-MM-DDThh:mm` at `p` as the minute; false if it is not one. */
function parseMinute(p: usize): bool {
  const year = digits(p, 4);
  const month = digits(p + 5, 2);
  const day = digits(p + 8, 2);
  const hour = digits(p + 11, 2);
  const minutes = digits(p + 14, 2);
  if (year === NONE || month - 1 > 11 || day - 1 >= daysOf(year, month) || hour > 23 || minutes > 59) return false;
  if (load<u8>(p, 4) !== 0x2d || load<u8>(p, 7) !== 0x2d || load<u8>(p, 10) !== 0x54 || load<u8>(p, 13) !== 0x3a) {
    return false;
  }
  minute = v128.load(p);
  minuteTime = <f64>(<i64>dayNumber(year, month, day) * 86_400_000 + <i64>((hour * 60 + minutes) * 60_000));
  return true;
}

function daysOf(year: u32, month: u32): u32 {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that leap days come last. */
function dayNumber(year: i32, month: i32, day: i32): i32 {
  const early = month <= 2;
  const y = early ? year - 1 : year;
  const m = early ? month + 9 : month - 3;
  // Rounds down, also in the year before 0.
  const leaps = (y + 400) / 4 - (y + 400) / 100 + (y + 400) / 400 - 97;
  return 365 * y + leaps + (153 * m + 2) / 5 + day - 719_469;
}
