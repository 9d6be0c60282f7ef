import { ByteWriter, type EventView, members } from "../../../src/plugin/index.js";

/** Objects of the envelope, whose scalars are kept where they are. */
const ENVELOPE = new Set(["user", "impersonatedUser", "objectRef", "responseStatus"]);

/**
 * A document that cannot be refused for what a client put into it: the envelope's scalars and lists of scalars as they
 * are, every other object as one string `<its name>Text`, which the template does not index (a `flattened` field takes no
 * string, so the name has to be another). Of duplicate keys the last one counts. DESIGN §6.
 */
export function writeSafeDocument(document: EventView, reason: string, out: ByteWriter): void {
  const bytes = new ByteWriter();
  document.writeLine(bytes);
  const source = Buffer.from(bytes.view());
  const fields = [...lastOf(source, 0).values()].map(({ key, text, start }) => {
    if (key === "auditship") return `"auditship":${withReason(text, reason)}`;
    if (ENVELOPE.has(key) && text.startsWith("{")) {
      return `${JSON.stringify(key)}:{${[...lastOf(source, start).values()].map(safeMember).join()}}`;
    }
    return safeMember({ key, text });
  });
  out.text(`{${fields.join()}}`);
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
  if (isFlat(text)) return `${JSON.stringify(key)}:${text}`;
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
