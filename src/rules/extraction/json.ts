import {
  CLOSE_BRACKET,
  COMMA,
  type EventView,
  FIELD_PATHS,
  Field,
  Kind,
  kindOf,
  members,
  OPEN_BRACE,
  OPEN_BRACKET,
  ROW_WORDS,
  Row,
  skipSpace,
  type Tape,
  valueEnd,
} from "../../plugin/index.js";
import { utf8 } from "../text.js";

/**
 * JSON values as Falco's plugins see them, through the library that they read with (valyala/fastjson): the first of several equal
 * keys counts, numbers keep their text, and escapes inside objects and arrays stay escaped.
 */
export interface Json {
  readonly kind: Kind;
  /** An object's member, or an array's item by its index in decimal digits. */
  get(key: string): Json | undefined;
  /** An array's items. */
  items(): Json[];
  /** An object's keys. */
  keys(): string[];
  /** A string decoded, up to a NUL; anything else as compact JSON. */
  text(): string;
}

/** Falco ignores events that are nested deeper (`fastjson.MaxDepth`); arrays within arrays are followed only this far. */
export const MAX_LEVELS = 300;

/** The text of a span of an event's bytes. */
export type TextOf = (event: EventView, start: number, end: number) => string;

/** As it was read, before any redaction: for conditions. */
export const textAsRead: TextOf = (event, start, end) => rawText(event.batch.bytes, start, end);

/** As the view shows it (redacted, after `redact`): for messages. */
export const textAsShown: TextOf = (event, start, end) => {
  const raw = utf8(event.batch.bytes, start, end);
  const shown = event.textAt(start, end);
  if (raw[0] === '"') return raw.includes("\\") && shown === JSON.parse(raw) ? tokenText(raw) : shown;
  return /^[{[]/.test(shown) ? compact(shown) : shown;
};

/** The value at a path of names. */
export function valueAt(value: Json | undefined, path: readonly string[]): Json | undefined {
  let found = value;
  for (const key of path) found = found?.get(key);
  return found;
}

/** A JSON token as text. */
export function rawText(bytes: Uint8Array, start: number, end: number): string {
  return tokenText(utf8(bytes, start, end));
}

function tokenText(token: string): string {
  const first = token[0];
  if (first === '"') return stringText(token);
  return first === "{" || first === "[" ? compact(token) : token;
}

/** A string token decoded, up to the first NUL, where the engine's strings end. */
function stringText(token: string): string {
  const content = token.slice(1, -1);
  const text = content.includes("\\") ? unescapeJson(content) : content;
  const nul = text.indexOf("\0");
  return nul < 0 ? text : text.slice(0, nul);
}

const ESCAPES: Record<string, string> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

/** An unpaired half of a surrogate pair stays as it is spelt; two escapes that form no pair become one U+FFFD. */
function unescapeJson(content: string): string {
  return content.replace(/\\(?:u([0-9a-fA-F]{4})(?:\\u([0-9a-fA-F]{4}))?|(.))/gs, (spelt, high, low, simple) => {
    if (simple !== undefined) return ESCAPES[simple] ?? simple;
    const unit = Number.parseInt(high, 16);
    if (unit < 0xd800 || unit > 0xdfff)
      return String.fromCharCode(unit) + (low === undefined ? "" : unescapeJson(`\\u${low}`));
    if (low === undefined) return spelt;
    const other = Number.parseInt(low, 16);
    const isPair = unit < 0xdc00 && other >= 0xdc00 && other <= 0xdfff;
    return isPair ? String.fromCharCode(unit, other) : "\ufffd";
  });
}

/** JSON without white space between its tokens. */
export function compact(json: string): string {
  if (!BLANK.test(json)) return json;
  const parts: string[] = [];
  for (let at = 0; at < json.length; ) {
    const quote = json.indexOf('"', at);
    if (quote < 0) {
      parts.push(json.slice(at).replace(BLANKS, ""));
      break;
    }
    let end = quote + 1;
    while (end < json.length && json[end] !== '"') end += json[end] === "\\" ? 2 : 1;
    parts.push(json.slice(at, quote).replace(BLANKS, ""), json.slice(quote, end + 1));
    at = end + 1;
  }
  return parts.join("");
}

const BLANK = /[ \t\r\n]/;
const BLANKS = /[ \t\r\n]+/g;

/** The index in a key, read like Go's `strconv.Atoi`; -1 if it is not one. */
function indexOf(key: string): number {
  return /^\+?[0-9]{1,15}$/.test(key) ? Number(key) : -1;
}

/** A value in the tape of an opened field. */
class TapeJson implements Json {
  constructor(
    private readonly event: EventView,
    private readonly tape: Tape,
    private readonly node: number,
    private readonly textOf: TextOf,
  ) {}

  get kind(): Kind {
    return this.tape.kind(this.node);
  }

  get(key: string): Json | undefined {
    const { tape, node } = this;
    const kind = tape.kind(node);
    if (kind !== Kind.object && kind !== Kind.array) return undefined;
    let index = kind === Kind.array ? indexOf(key) : -1;
    if (kind === Kind.array && index < 0) return undefined;
    const end = tape.next(node);
    for (let child = node + 1; child < end; child = tape.next(child))
      if (kind === Kind.object ? tape.keyIs(child, key) : index-- === 0) return this.at(child);
    return undefined;
  }

  items(): Json[] {
    return this.tape.kind(this.node) === Kind.array ? this.children().map((child) => this.at(child)) : [];
  }

  keys(): string[] {
    if (this.tape.kind(this.node) !== Kind.object) return [];
    return this.children().map((child) => this.tape.key(child));
  }

  text(): string {
    return this.textOf(this.event, this.tape.start(this.node), this.tape.end(this.node));
  }

  private children(): number[] {
    const { tape, node } = this;
    const children: number[] = [];
    const end = tape.next(node);
    for (let child = node + 1; child < end; child = tape.next(child)) children.push(child);
    return children;
  }

  private at(node: number): Json {
    return new TapeJson(this.event, this.tape, node, this.textOf);
  }
}

/** A value as a span of the event's bytes: a scalar, which needs no tape, or something outside of the field table. */
export class SpanJson implements Json {
  constructor(
    private readonly event: EventView,
    private readonly start: number,
    private readonly end: number,
    private readonly textOf: TextOf,
  ) {}

  get kind(): Kind {
    return kindOf(this.event.batch.bytes[this.start]);
  }

  get(key: string): Json | undefined {
    if (this.kind === Kind.array) {
      const index = indexOf(key);
      return index < 0 ? undefined : this.items()[index];
    }
    if (this.kind !== Kind.object) return undefined;
    for (const member of members(this.event.batch.bytes, this.start))
      if (member.key === key) return new SpanJson(this.event, member.start, member.end, this.textOf);
    return undefined;
  }

  items(): Json[] {
    if (this.kind !== Kind.array) return [];
    const { bytes } = this.event.batch;
    const items: Json[] = [];
    for (let at = skipSpace(bytes, this.start + 1); bytes[at] !== CLOSE_BRACKET; ) {
      const end = valueEnd(bytes, at);
      items.push(new SpanJson(this.event, at, end, this.textOf));
      at = skipSpace(bytes, end);
      if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
    }
    return items;
  }

  keys(): string[] {
    return this.kind === Kind.object ? [...members(this.event.batch.bytes, this.start)].map(({ key }) => key) : [];
  }

  text(): string {
    return this.textOf(this.event, this.start, this.end);
  }
}

/** The event itself. Its members are those of the field table, then any others in the line. */
export class EventJson implements Json {
  readonly kind = Kind.object;

  constructor(
    private readonly event: EventView,
    private readonly textOf: TextOf,
  ) {}

  get(key: string): Json | undefined {
    const field = TOP_LEVEL.get(key);
    return field === undefined ? this.line().get(key) : fieldJson(this.event, field, this.textOf);
  }

  items(): Json[] {
    return [];
  }

  keys(): string[] {
    return this.line().keys();
  }

  text(): string {
    return this.line().text();
  }

  private line(): SpanJson {
    return lineJson(this.event, this.textOf);
  }
}

/** The event as it is in the line. */
export function lineJson(event: EventView, textOf: TextOf): SpanJson {
  const row = event.row * ROW_WORDS;
  const { table } = event.batch;
  return new SpanJson(event, table[row + Row.start], table[row + Row.end], textOf);
}

/** A field of the table; undefined if the event lacks it. */
export function fieldJson(event: EventView, field: Field, textOf: TextOf): Json | undefined {
  const start = event.start(field);
  if (start === 0) return undefined;
  const first = event.batch.bytes[start];
  const body = first === OPEN_BRACE || first === OPEN_BRACKET ? event.open(field) : undefined;
  return body
    ? new TapeJson(event, body.tape, body.root, textOf)
    : new SpanJson(event, start, event.end(field), textOf);
}

const TOP_LEVEL = new Map<string, Field>(
  FIELD_PATHS.flatMap((path, field) =>
    path.includes(".") || field >= Field.workspace ? [] : [[path, field] as [string, Field]],
  ),
);
