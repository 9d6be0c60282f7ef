import { FAILED, skipSpace, skipValue, stringEnd } from "../event/json.js";
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  NEWLINE,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
} from "../plugin/index.js";

/**
 * The events of a posted list as lines, each with its newline: `{"items":[…]}` of kube-apiserver's webhook backend, `{"Items":[…]}`
 * of KubeSphere's API server (a key `items` in any case, as Go decodes it). Each is as it was sent, but for line breaks between
 * tokens, which become spaces.
 *
 * @param body the JSON text; it is changed in place, and its last byte must be one behind the text: room for a newline
 * @returns undefined if it is no such list
 */
export function linesOf(body: Buffer): Buffer[] | undefined {
  flatten(body);
  const lines: Buffer[] = [];
  let at = skipSpace(body, 0);
  if (body[at] !== OPEN_BRACE) return undefined;
  at = skipSpace(body, at + 1);
  let found = false;
  while (body[at] === QUOTE) {
    const end = stringEnd(body, at + 1);
    if (end === FAILED) return undefined;
    const key = body.toString("latin1", at + 1, end);
    at = skipSpace(body, end + 1);
    if (body[at] !== COLON) return undefined;
    at = skipSpace(body, at + 1);
    if (key.toLowerCase() === "items") {
      found = true;
      at = body[at] === OPEN_BRACKET ? addItems(body, at, lines) : afterNull(body, at);
    } else at = skipValue(body, at);
    if (at === FAILED) return undefined;
    at = skipSpace(body, at);
    if (body[at] === CLOSE_BRACE) return found && isEnd(body, at + 1) ? lines : undefined;
    if (body[at] !== COMMA) return undefined;
    at = skipSpace(body, at + 1);
  }
  return undefined;
}

/** No line break, and one newline at the very end. */
function flatten(body: Buffer): void {
  body[body.length - 1] = NEWLINE;
  for (let at = body.indexOf(NEWLINE); at < body.length - 1; at = body.indexOf(NEWLINE, at + 1)) body[at] = SPACE;
}

/** Adds the objects of the array at `array`; returns the offset after it, FAILED if anything else is in it. */
function addItems(body: Buffer, array: number, lines: Buffer[]): number {
  let at = skipSpace(body, array + 1);
  if (body[at] === CLOSE_BRACKET) return at + 1;
  for (;;) {
    if (body[at] !== OPEN_BRACE) return FAILED;
    const end = skipValue(body, at);
    if (end === FAILED) return FAILED;
    lines.push(body.subarray(at, end), LINE_END);
    at = skipSpace(body, end);
    if (body[at] === CLOSE_BRACKET) return at + 1;
    if (body[at] !== COMMA) return FAILED;
    at = skipSpace(body, at + 1);
  }
}

/** Go writes a list without items as null. */
function afterNull(body: Buffer, at: number): number {
  return body.toString("latin1", at, at + 4) === "null" ? at + 4 : FAILED;
}

const isEnd = (body: Buffer, at: number): boolean => skipSpace(body, at) === body.length - 1;

const LINE_END = Buffer.from("\n");
