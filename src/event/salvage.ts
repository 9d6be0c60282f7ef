import { CLOSE_BRACE, CLOSE_BRACKET, OPEN_BRACE, OPEN_BRACKET, QUOTE } from "../plugin/index.js";
import { FAILED, lexer, skipValue, stringEnd } from "./json.js";

/** How kube-apiserver begins every line. A core/v1 Event has another apiVersion. */
const BEGINNING = Buffer.from('{"kind":"Event","apiVersion":"audit.k8s.io/');

/**
 * Looks in the torn line [line, end) for a whole event that ends exactly at `end`. Returns its offset, or -1. There can be only
 * one, because a closing brace closes one object. The time is linear in the line's length.
 */
export function findWholeEvent(bytes: Buffer, line: number, end: number): number {
  let from = line + 1;
  for (;;) {
    const candidate = bytes.indexOf(BEGINNING, from);
    if (candidate < 0 || candidate >= end) return -1;
    const after = skipValue(bytes, candidate);
    if (after === end) return candidate;
    if (after !== FAILED) {
      // Everything that begins within it also ends within it.
      from = after;
    } else if (lexer.failedAt < end) {
      // Everything that begins within it fails at the same place, unless it begins in the string that was torn: `"abc{"kind"` fails
      // at the k, two bytes after the beginning.
      from = Math.max(candidate + 1, lexer.failedAt - 2);
    } else {
      // Brackets are left open, so only the object that was closed last can be the one.
      const closed = closedLast(bytes, candidate, end);
      return closed > candidate && BEGINNING.equals(bytes.subarray(closed, closed + BEGINNING.length)) ? closed : -1;
    }
  }
}

/** Where the object or array that ends at `end` begins; -1 if there is none. [start, end) must be the beginning of valid JSON. */
function closedLast(bytes: Buffer, start: number, end: number): number {
  const open: number[] = [];
  let last = -1;
  let i = start;
  while (i < end) {
    const byte = bytes[i];
    if (byte === QUOTE) {
      i = stringEnd(bytes, i + 1);
      if (i < 0) return -1;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) open.push(i);
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      const begin = open.pop() ?? -1;
      if (i === end - 1) last = begin;
    }
    i++;
  }
  return last;
}
