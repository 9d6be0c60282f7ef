import { type ByteWriter, type EventView, type Field, Flag } from "../plugin/index.js";

/** A field that a message shows as it stands, or in lower case. */
export interface ShownField {
  readonly field: Field;
  readonly lower?: boolean;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const OPEN_BRACE = 0x7b;
const LOWER_N = 0x6e;

/**
 * What appends a message as a JSON string by copying the fields' own bytes, which are JSON already: nothing is decoded. It
 * returns false, and appends nothing, where that does not do: redacted values, objects and arrays.
 * @param parts texts and fields
 */
export function messageCopier(parts: readonly (string | ShownField)[]): (event: EventView, out: ByteWriter) => boolean {
  const copied = parts.map((part) =>
    typeof part === "string" ? Buffer.from(JSON.stringify(part).slice(1, -1)) : part,
  );
  return (event, out) => {
    const isEdited = (event.flags() & Flag.edited) !== 0;
    const start = out.length;
    out.byte(QUOTE);
    for (let i = 0; i < copied.length; i++) {
      const part = copied[i];
      if (part instanceof Uint8Array) out.copy(part);
      else if ((isEdited && isFieldEdited(event, part.field)) || !copyField(event, part, out)) {
        out.length = start;
        return false;
      }
    }
    out.byte(QUOTE);
    return true;
  };
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
      return copyOnlyString(bytes, start, end, out);
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

/** The string of an array `["…"]` that holds nothing else, as sourceIPs usually does. */
function copyOnlyString(bytes: Uint8Array, start: number, end: number, out: ByteWriter): boolean {
  if (end - start < 4 || bytes[start + 1] !== QUOTE || bytes[end - 2] !== QUOTE) return false;
  for (let at = start + 2; at < end - 2; at++) if (bytes[at] === QUOTE || bytes[at] === BACKSLASH) return false;
  out.copy(bytes, start + 2, end - 2);
  return true;
}
