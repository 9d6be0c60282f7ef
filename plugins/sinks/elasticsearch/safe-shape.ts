import { ByteWriter, COMMA, type EventView, members } from "../../../src/plugin/index.js";

/** Objects of the envelope, whose scalars are kept where they are. */
const ENVELOPE = new Set(["user", "impersonatedUser", "objectRef", "responseStatus"]);
/** Fields that the template takes for objects: anything else under these names would be refused too. */
const OBJECTS = new Set([
  ...ENVELOPE,
  ...["requestObject", "responseObject", "annotations", "authenticationMetadata", "extra", "details"],
]);

/** Members of a line that documents replace by ours. */
const OURS = new Set(["@timestamp", "auditship"]);

/**
 * Appends a document in shape native that cannot be refused for what a client put into it: the envelope's scalars and lists
 * of scalars as they are, every other object as one string `<its name>Text`, which the template does not index (a `flattened`
 * field takes no string, so the name has to be another). Of duplicate keys the last one counts.
 */
export function writeSafeDocument(event: EventView, reason: string, out: ByteWriter): void {
  const line = safeMembers(event);
  if (line !== "") out.text(`{${line}`);
  const ours = out.length;
  event.writeMembers(out, { safeShape: reason });
  if (line !== "") out.bytes[ours] = COMMA;
}

/** The members of an event's line in safe shape, as text. */
export function safeMembers(event: EventView): string {
  const bytes = new ByteWriter();
  event.writeLine(bytes);
  const source = Buffer.from(bytes.view());
  return [...lastOf(source, 0).values()]
    .filter(({ key }) => !OURS.has(key))
    .map(({ key, text, start }) => {
      if (!ENVELOPE.has(key) || !text.startsWith("{")) return safeMember({ key, text });
      return `${JSON.stringify(key)}:{${[...lastOf(source, start).values()].map(safeMember).join()}}`;
    })
    .join();
}

interface TextMember {
  key: string;
  /** The value's JSON text. Bytes that are not UTF-8 have become U+FFFD: servers refuse them. */
  text: string;
  start: number;
}

function lastOf(bytes: Buffer, object: number): Map<string, TextMember> {
  const found = new Map<string, TextMember>();
  for (const { key, start, end } of members(bytes, object)) {
    found.set(key, { key, text: bytes.toString("utf8", start, end), start });
  }
  return found;
}

function safeMember({ key, text }: Pick<TextMember, "key" | "text">): string {
  if (text === "null" || (isFlat(text) && !OBJECTS.has(key))) return `${JSON.stringify(key)}:${text}`;
  return `${JSON.stringify(`${key}Text`)}:${JSON.stringify(text)}`;
}

/** A scalar, or a list of scalars. */
function isFlat(text: string): boolean {
  return !text.startsWith("{") && !(text.startsWith("[") && /[{[]/.test(text.slice(1)));
}
