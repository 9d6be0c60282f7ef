/**
 * Writes the member `matches` (`../document.ts`) from a template (`../match-templates.ts`): texts, each followed by a field whose
 * bytes are copied as `MessageTemplate` in `../../plugin/message.ts` does.
 */
import { copy } from "./bytes";
import { BACKSLASH, CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from "./json";

const LOWER_N: u8 = 0x6e;

/** Bytes before a template's steps: the total length of its texts. */
const HEAD: usize = 4;
/**
 * Bytes of a step: address and length of a text, and the offset of the field's span in a row, plus one if it is shown in lower
 * case; 0 ends.
 */
const STEP: usize = 12;
const FIELD: usize = 8;

/** Most bytes of the matches of the row at `row`. */
export function matchesLength(template: usize, row: usize): usize {
  let length = <usize>load<u32>(template);
  let step = template + HEAD;
  for (let field = fieldOf(step); field !== 0; field = fieldOf(step)) {
    const span = row + (field & ~1);
    length += <usize>load<u32>(span, 4) - <usize>load<u32>(span);
    step += STEP;
  }
  return length;
}

/** Writes the matches of the row at `row`. Returns where they end, or 0 if a field cannot simply be copied. */
export function writeMatches(to: usize, template: usize, row: usize, bytes: usize): usize {
  let step = template + HEAD;
  to = copy(to, load<u32>(step), load<u32>(step, 4));
  for (let field = fieldOf(step); field !== 0; field = fieldOf(step)) {
    const span = row + (field & ~1);
    const start = <usize>load<u32>(span);
    if (start !== 0) to = writeField(to, bytes + start, bytes + <usize>load<u32>(span, 4), (field & 1) === 1);
    if (to === 0) return 0;
    step += STEP;
    to = copy(to, load<u32>(step), load<u32>(step, 4));
  }
  return to;
}

// @ts-expect-error: decorator
@inline
function fieldOf(step: usize): usize {
  return <usize>load<u32>(step, FIELD);
}

function writeField(to: usize, from: usize, end: usize, lower: bool): usize {
  switch (load<u8>(from)) {
    case QUOTE:
      return lower && !isLower(from + 1, end - 1) ? 0 : copy(to, from + 1, end - from - 2);
    case OPEN_BRACE:
      return 0;
    case OPEN_BRACKET:
      return writeStrings(to, from);
    case LOWER_N:
      return to;
    default:
      return lower ? 0 : copy(to, from, end - from);
  }
}

/** True if all bytes are lower-case letters. */
function isLower(from: usize, end: usize): bool {
  for (; from < end; from++) if (load<u8>(from) - 0x61 > 25) return false;
  return true;
}

/** Writes the strings of the array at `start`, separated by `, `. */
function writeStrings(to: usize, start: usize): usize {
  let seen: u8 = 0;
  for (let at = start + 1; load<u8>(at) === QUOTE; at++) {
    const from = ++at;
    for (let byte = load<u8>(at); byte !== QUOTE; byte = load<u8>(++at)) {
      if (byte === BACKSLASH) return 0;
      seen |= byte;
    }
    to = copy(to, from, at - from);
    at++;
    if (load<u8>(at) === CLOSE_BRACKET) return seen < 0x80 || from === start + 2 ? to : 0;
    if (load<u8>(at) !== COMMA) return 0;
    store<u16>(to, 0x202c);
    to += 2;
  }
  return 0;
}
