import {
  type ByteWriter,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  type EventView,
  type Field,
  Kind,
  OPEN_BRACE,
  QUOTE,
  skipSpace,
  valueEnd,
} from "../../../../src/plugin/index.js";

/** A member of a document that a field gives; its key is `,"name":`. */
export interface FieldMember {
  readonly key: Buffer;
  readonly field: Field;
}

/** True if the field holds a string that is not empty. */
export function hasText(event: EventView, field: Field): boolean {
  return event.kind(field) === Kind.string && event.end(field) - event.start(field) > 2;
}

/** True if the field holds a list of strings, and not an empty one. */
export function isTextList(event: EventView, field: Field): boolean {
  if (event.kind(field) !== Kind.array) return false;
  const { bytes } = event.batch;
  let at = skipSpace(bytes, event.start(field) + 1);
  while (bytes[at] === QUOTE) {
    at = skipSpace(bytes, valueEnd(bytes, at));
    if (bytes[at] === CLOSE_BRACKET) return true;
    at = skipSpace(bytes, at + 1);
  }
  return false;
}

/** Appends the field's value as readers see it. */
export function writeValue(event: EventView, field: Field, out: ByteWriter): void {
  event.writeSpan(event.start(field), event.end(field), out);
}

/** Appends a JSON string whatever the field holds: "" for nothing, a string as it stands, the JSON text of anything else. */
export function writeString(event: EventView, field: Field, out: ByteWriter): void {
  const kind = event.kind(field);
  const at = out.length;
  if (kind !== Kind.absent && kind !== Kind.null) writeValue(event, field, out);
  if (kind !== Kind.string) out.quote(at);
}

/** Appends the items of a list as one JSON string, with a comma between them; anything else as {@link writeString} does. */
export function writeJoined(event: EventView, field: Field, out: ByteWriter): void {
  if (event.kind(field) !== Kind.array) {
    writeString(event, field, out);
    return;
  }
  const { bytes } = event.batch;
  const first = out.length;
  for (let at = skipSpace(bytes, event.start(field) + 1); bytes[at] !== CLOSE_BRACKET; ) {
    const end = valueEnd(bytes, at);
    // Each item's opening quote takes the place of the closing one before it, and then becomes the comma.
    const quote = out.length === first ? first : out.length - 1;
    out.length = quote;
    event.writeSpan(at, end, out);
    if (out.bytes[quote] !== QUOTE) out.quote(quote);
    if (quote > first) out.bytes[quote] = COMMA;
    at = skipSpace(bytes, end);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  if (out.length === first) out.quote(first);
}

/** Makes an object of the members that were appended since `start`, each with a comma before it. */
export function closeObject(out: ByteWriter, start: number): void {
  if (out.length === start) out.byte(OPEN_BRACE);
  else out.bytes[start] = OPEN_BRACE;
  out.byte(CLOSE_BRACE);
}

/** Appends our members, and makes an object of all members since `start`. */
export function closeDocument(event: EventView, out: ByteWriter, start: number, safeShape?: string): void {
  const at = out.length;
  event.writeMembers(out, { safeShape });
  out.bytes[at] = COMMA;
  out.bytes[start] = OPEN_BRACE;
}
