import { BACKSLASH, Kind, parseTime, QUOTE, type Tape } from "../plugin/index.js";

/**
 * Values as text, the way Go's `fmt.Sprint` writes what `encoding/json` read: that is what KubeSphere's engine compares
 * (event-rule-engine, `visitor/eventrule.go`). There is one version for tapes and one for JavaScript values; fuzz tests check that
 * they agree.
 */

/** Deeper values in arrays and objects are written as `…`. */
const MAX_DEPTH = 200;

/** The decoded content of the JSON string at bytes [start, end), which include its quotes. Lone surrogates become U+FFFD. */
export function decodeString(bytes: Uint8Array, start: number, end: number): string {
  const raw = utf8(bytes, start + 1, end - 1);
  return raw.includes("\\") ? wellFormed(unescapeJson(raw)) : raw;
}

export function utf8(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
}

/** In lower case, letter by letter, regardless of context. */
export function lowerText(text: string): string {
  return IS_ASCII.test(text) ? text.toLowerCase() : Array.from(text, (letter) => letter.toLowerCase()).join("");
}

const IS_ASCII = /^[\x00-\x7f]*$/;

/** Replaces lone surrogates by U+FFFD, as Go does when it reads them. */
function wellFormed(text: string): string {
  return /[\ud800-\udfff]/.test(text) ? Buffer.from(text, "utf8").toString("utf8") : text;
}

const ESCAPES: Record<string, string> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\", "/": "/" };

function unescapeJson(raw: string): string {
  return raw.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_, hex: string | undefined, simple: string) =>
    hex === undefined ? (ESCAPES[simple] ?? simple) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** A scalar token as text: strings are decoded, numbers are as {@link numberText} writes them, true, false and null stay as they are. */
export function scalarText(bytes: Uint8Array, start: number, end: number): string {
  const first = bytes[start];
  if (first === QUOTE) return decodeString(bytes, start, end);
  const raw = utf8(bytes, start, end);
  return first === 0x2d || (first >= 0x30 && first <= 0x39) ? numberText(raw) : raw;
}

/**
 * A JSON number with the fewest digits that identify it as a 64-bit float; with an exponent below 1e-4 and from 1e21 on. Numbers
 * beyond its range are infinite.
 */
export function numberText(raw: string): string {
  if (/^[1-9]\d{0,14}$/.test(raw)) return raw;
  const value = Number(raw);
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (Object.is(value, -0)) return "-0";
  const [mantissa, exponent] = value.toExponential().split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 21) return String(value);
  return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** Any value of a tape as text: arrays as `[a b]`, objects as `map[k:v]` with sorted keys, null as `<nil>`. */
export function nodeText(tape: Tape, node: number, depth = 0): string {
  if (depth > MAX_DEPTH) return "…";
  switch (tape.kind(node)) {
    case Kind.null:
      return "<nil>";
    case Kind.array: {
      const items: string[] = [];
      for (let item = node + 1; item < tape.next(node); item = tape.next(item))
        items.push(nodeText(tape, item, depth + 1));
      return `[${items.join(" ")}]`;
    }
    case Kind.object:
      return mapText([...membersOf(tape, node)].map(([key, child]) => [key, nodeText(tape, child, depth + 1)]));
    default:
      return scalarText(tape.bytes, tape.start(node), tape.end(node));
  }
}

/** An object's members; of a repeated key, the last. */
export function membersOf(tape: Tape, node: number): Map<string, number> {
  const members = new Map<string, number>();
  for (let child = node + 1; child < tape.next(node); child = tape.next(child)) members.set(tape.key(child), child);
  return members;
}

/** The same for a value that `JSON.parse` returned. */
export function valueText(value: unknown, depth = 0): string {
  if (depth > MAX_DEPTH) return "…";
  if (value === null) return "<nil>";
  if (typeof value === "string") return wellFormed(value);
  if (typeof value === "number") return numberText(Object.is(value, -0) ? "-0" : String(value));
  if (Array.isArray(value)) return `[${value.map((item) => valueText(item, depth + 1)).join(" ")}]`;
  if (typeof value === "object")
    return mapText(Object.entries(value as object).map(([key, item]) => [key, valueText(item, depth + 1)]));
  return String(value);
}

function mapText(members: [string, string][]): string {
  const sorted = members.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `map[${sorted.map(([key, text]) => `${key}:${text}`).join(" ")}]`;
}

/** An RFC 3339 time in UTC with this many decimals (further ones are cut off); undefined if the text is not a time. */
export function utcText(time: string, digits: number): string | undefined {
  const [, before, fraction = "", zone] = /^([^.]*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(time) ?? [];
  const seconds = Buffer.from(`${before}${zone}`);
  const milliseconds = parseTime(seconds, 0, seconds.length);
  if (Number.isNaN(milliseconds)) return undefined;
  return `${new Date(milliseconds).toISOString().slice(0, 19)}.${fraction.padEnd(digits, "0").slice(0, digits)}Z`;
}

/** True if the string token at bytes [start, end) has no escapes, so that its bytes are its text. */
export function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start + 1; i < end - 1; i++) if (bytes[i] === BACKSLASH) return false;
  return true;
}
