import { ByteWriter, type EventView, members } from "../../../src/plugin/index.js";

/** Objects of the envelope, whose scalars are kept where they are. */
const ENVELOPE = new Set(["user", "impersonatedUser", "objectRef", "responseStatus"]);
/** Fields that the template takes for objects: anything else under these names would be refused too. */
const OBJECTS = new Set([
  ...ENVELOPE,
  ...["requestObject", "responseObject", "annotations", "authenticationMetadata", "extra", "details"],
]);

/**
 * A document that cannot be refused for what a client put into it: the envelope's scalars and lists of scalars as they
 * are, every other object as one string `<its name>Text`, which the template does not index (a `flattened` field takes no
 * string, so the name has to be another). Of duplicate keys the last one counts. `time` is its `@timestamp` in UTC.
 * DESIGN §6.
 */
export function safeDocument(document: EventView, reason: string): { text: string; time: string | undefined } {
  const bytes = new ByteWriter();
  document.writeLine(bytes);
  const source = Buffer.from(bytes.view());
  const all = lastOf(source, 0);
  const fields = [...all.values()].map(({ key, text, start }) => {
    if (key === "auditship") return `"auditship":${withReason(text, reason)}`;
    if (ENVELOPE.has(key) && text.startsWith("{")) {
      return `${JSON.stringify(key)}:{${[...lastOf(source, start).values()].map(safeMember).join()}}`;
    }
    return safeMember({ key, text });
  });
  return { text: `{${fields.join()}}`, time: utc(all.get("@timestamp")?.text) };
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

function withReason(text: string, reason: string): string {
  if (!text.startsWith("{")) return JSON.stringify({ safeShape: reason });
  const end = text.lastIndexOf("}");
  const comma = /[^\s{]/.test(text.slice(0, end)) ? "," : "";
  return `${text.slice(0, end)}${comma}"safeShape":${JSON.stringify(reason)}}`;
}

/** A JSON string's time as ISO 8601 in UTC; undefined if it is none. */
function utc(text: string | undefined): string | undefined {
  const time = text?.startsWith('"') ? Date.parse(JSON.parse(text) as string) : Number.NaN;
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}
