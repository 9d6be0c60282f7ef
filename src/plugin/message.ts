import { BACKSLASH, CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE, SPACE } from "./ascii.js";
import { Flag } from "./batch.js";
import type { EventView } from "./event.js";
import type { Field } from "./field.js";
import type { RuleMatch } from "./match.js";
import type { ByteWriter } from "./writer.js";

/** A field that a message shows as it stands, or in lower case. */
export interface ShownField {
  readonly field: Field;
  readonly lower?: boolean;
}

const LOWER_N = 0x6e;

/** A message that consists of texts and fields only: it is written by copying the fields' bytes, which are JSON already. */
export class MessageTemplate {
  /** What it is made of, in order: texts as they stand in a JSON string, and fields. */
  readonly parts: readonly (Uint8Array | ShownField)[];
  readonly #fields: readonly Field[];

  constructor(parts: readonly (string | ShownField)[]) {
    this.#fields = parts.flatMap((part) => (typeof part === "string" ? [] : [part.field]));
    this.parts = parts.map((part) =>
      typeof part === "string" ? Buffer.from(JSON.stringify(part).slice(1, -1)) : part,
    );
  }

  /**
   * Appends the message as a JSON string. Returns false, and appends nothing, if copying will not do: for redacted values, objects,
   * and arrays of anything but plain strings. `src/event/assembly/matches.ts` does the same.
   */
  write(event: EventView, out: ByteWriter): boolean {
    if (this.isEdited(event)) return false;
    const { parts } = this;
    const start = out.length;
    out.byte(QUOTE);
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i];
      if (part instanceof Uint8Array) out.copy(part);
      else if (!copyField(event, part, out)) {
        out.length = start;
        return false;
      }
    }
    out.byte(QUOTE);
    return true;
  }

  /** True if a field that it shows was redacted. */
  isEdited(event: EventView): boolean {
    if ((event.flags() & Flag.edited) === 0) return false;
    for (const field of this.#fields) if (isFieldEdited(event, field)) return true;
    return false;
  }
}

/** Appends a match's message for this event as a JSON string. */
export function writeMessage(match: RuleMatch, event: EventView, out: ByteWriter): void {
  if (!match.template?.write(event, out)) out.json(match.message(event));
}

function isFieldEdited(event: EventView, field: Field): boolean {
  const start = event.start(field);
  return start !== 0 && event.isEdited(start, event.end(field));
}

function copyField(event: EventView, { field, lower }: ShownField, out: ByteWriter): boolean {
  const { bytes } = event.batch;
  const start = event.start(field);
  if (start === 0) return true;
  const end = event.end(field);
  switch (bytes[start]) {
    case QUOTE:
      if (lower && !isLower(bytes, start + 1, end - 1)) return false;
      out.copy(bytes, start + 1, end - 1);
      return true;
    case OPEN_BRACE:
      return false;
    case OPEN_BRACKET:
      return copyStrings(bytes, start, out);
    case LOWER_N:
      return true;
    default:
      if (lower) return false;
      out.copy(bytes, start, end);
      return true;
  }
}

/** True if these are lower-case letters. */
function isLower(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] < 0x61 || bytes[at] > 0x7a) return false;
  return true;
}

/** The strings of an array without white space, such as sourceIPs: a single one without escapes, or several that are also ASCII. */
function copyStrings(bytes: Uint8Array, start: number, out: ByteWriter): boolean {
  let seen = 0;
  for (let at = start + 1; bytes[at] === QUOTE; at++) {
    const from = at + 1;
    for (at = from; bytes[at] !== QUOTE; at++) {
      if (bytes[at] === BACKSLASH) return false;
      seen |= bytes[at];
    }
    out.copy(bytes, from, at);
    at++;
    if (bytes[at] === CLOSE_BRACKET) return seen < 0x80 || from === start + 2;
    if (bytes[at] !== COMMA) return false;
    out.byte(COMMA);
    out.byte(SPACE);
  }
  return false;
}
