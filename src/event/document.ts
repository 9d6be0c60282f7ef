import {
  type Annotation,
  type ByteWriter,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  EncodedTexts,
  type EventView,
  type FileRef,
  type InvalidLine,
  OPEN_BRACE,
  type OversizedLine,
  QUOTE,
  type RuleMatch,
  type ShownField,
  writeMessage,
} from "../plugin/index.js";
import { skipSpace, skipValue, stringEnd, valueAfterKey } from "./json.js";
import { EVENT_KEYS, RESERVED } from "./keys.js";

/** What every document says about where it was made. */
export interface DocumentOrigin {
  cluster: string;
  node: string;
  labels: Readonly<Record<string, string>>;
}

const HEAD = Buffer.from('"@timestamp":');
const ITEM = Buffer.from(',"item":');
const LATENCY = Buffer.from(',"latencyMs":');
const SALVAGED = Buffer.from(',"salvaged":true');
const TRUNCATED = Buffer.from(',"truncated":');
const INVALID = Buffer.from(',"invalid":');
const ID = Buffer.from(',"id":"');
const SAFE_SHAPE = Buffer.from(',"safeShape":');

/** Writes the two members that we add to an event. Constant parts are encoded once. */
export class MemberWriter {
  private source = "";
  private file: FileRef | undefined;
  /** `,"auditship":{"cluster":…,"file":…,"offset":` */
  opening = Buffer.alloc(0);
  /** The file's part of ids. */
  fileId = Buffer.alloc(0);
  private fileTime = Buffer.alloc(0);
  /** The rules named last, and the opening of `matches` for them. */
  private rulesName: string | undefined;
  private rulesOpening = Buffer.alloc(0);
  private readonly rules = new WeakMap<RuleMatch, Buffer>();
  private readonly texts = new EncodedTexts();

  constructor(private readonly origin: DocumentOrigin) {}

  /** Prepares for the events of a file. */
  begin(source: string, file: FileRef): void {
    if (source === this.source && file === this.file) return;
    this.fileId = Buffer.from(file.id, "latin1");
    this.source = source;
    this.file = file;
    const { cluster, node, labels } = this.origin;
    const members = { cluster, node, source, labels, file: file.id };
    const written = Object.entries(members).filter(([, value]) => !isEmpty(value));
    this.opening = Buffer.from(`,"auditship":${JSON.stringify(Object.fromEntries(written)).slice(0, -1)},"offset":`);
    this.fileTime = Buffer.from(JSON.stringify(isoTime(file.time)));
  }

  /** Appends `"@timestamp":` with the bytes of a JSON string (by default the file's time), and `auditship` up to its offset. */
  open(out: ByteWriter, timestamp: Uint8Array = this.fileTime, start = 0, end = timestamp.length): void {
    out.copy(HEAD);
    out.copy(timestamp, start, end);
    out.copy(this.opening);
  }

  place(out: ByteWriter, offset: number, item: number): void {
    appendInteger(out, offset);
    if (item === 0) return;
    out.copy(ITEM);
    appendInteger(out, item);
  }

  /** Milliseconds with up to three decimals. */
  latency(out: ByteWriter, latency: number): void {
    out.copy(LATENCY);
    const micros = Math.round(Math.abs(latency) * 1000);
    if (latency < 0 && micros > 0) out.byte(0x2d);
    appendInteger(out, Math.floor(micros / 1000));
    appendFraction(out, micros % 1000);
  }

  annotation(out: ByteWriter, name: string, value: Annotation): void {
    if (isEmpty(value)) return;
    out.byte(COMMA);
    out.copy(this.texts.get(name));
    out.byte(0x3a);
    if (typeof value === "string") out.copy(this.texts.get(value));
    else out.json(value);
  }

  matches(out: ByteWriter, rules: string, event: EventView): void {
    const matches = event.matches();
    out.copy(this.matchesOpening(rules));
    for (let index = 0; index < matches.length; index++) {
      if (index > 0) out.byte(COMMA);
      const match = matches[index];
      out.copy(this.rule(match));
      writeMessage(match, event, out);
      out.byte(CLOSE_BRACE);
    }
    out.byte(CLOSE_BRACKET);
  }

  /** What {@link matches} writes for every event with these matches; undefined if a message consists of more than texts and fields. */
  matchParts(rules: string, matches: readonly RuleMatch[]): (Uint8Array | ShownField)[] | undefined {
    const parts: (Uint8Array | ShownField)[] = [this.matchesOpening(rules)];
    for (const [index, match] of matches.entries()) {
      if (match.template === undefined) return undefined;
      if (index > 0) parts.push(Buffer.from(","));
      parts.push(this.rule(match), Buffer.from('"'), ...match.template.parts, Buffer.from('"}'));
    }
    parts.push(Buffer.from("]"));
    return parts;
  }

  salvaged(out: ByteWriter): void {
    out.copy(SALVAGED);
  }

  /** What was dropped from a line longer than `maxLine`, and the original's length and hash. */
  truncated(out: ByteWriter, { dropped, length, sha256 }: OversizedLine): void {
    out.copy(TRUNCATED);
    out.json({ dropped, length, sha256 });
  }

  invalid(out: ByteWriter, invalid: InvalidLine): void {
    out.copy(INVALID);
    out.json({ reason: invalid.reason, length: invalid.length, sha256: invalid.sha256 });
  }

  id(out: ByteWriter, event: EventView): void {
    out.copy(ID);
    event.writeId(out);
    out.byte(QUOTE);
  }

  safeShape(out: ByteWriter, reason: string): void {
    out.copy(SAFE_SHAPE);
    out.json(reason);
  }

  close(out: ByteWriter): void {
    out.byte(CLOSE_BRACE);
  }

  /** `,"rules":"…","matches":[` */
  private matchesOpening(rules: string): Buffer {
    if (rules !== this.rulesName) {
      this.rulesName = rules;
      this.rulesOpening = Buffer.from(`${rules && `,"rules":${JSON.stringify(rules)}`},"matches":[`);
    }
    return this.rulesOpening;
  }

  /** The part of a match that depends only on the rule, up to the message. */
  private rule(match: RuleMatch): Buffer {
    let bytes = this.rules.get(match);
    if (bytes === undefined) {
      const { rule, priority, dialect } = match;
      bytes = Buffer.from(`${JSON.stringify({ rule, priority, dialect }).slice(0, -1)},"message":`);
      this.rules.set(match, bytes);
    }
    return bytes;
  }
}

/**
 * The spans of the members of the (valid) object at `start`, except those named like one of ours. Elasticsearch refuses documents
 * with duplicate keys.
 */
export function foreignMembers(bytes: Buffer, start: number): [start: number, end: number][] {
  const spans: [number, number][] = [];
  let i = skipSpace(bytes, start + 1);
  while (bytes[i] !== CLOSE_BRACE) {
    const keyEnd = stringEnd(bytes, i + 1);
    const end = skipValue(bytes, valueAfterKey(bytes, keyEnd));
    const key = EVENT_KEYS.findEscaped(bytes, i + 1, keyEnd);
    if (key < 0 || EVENT_KEYS.codes[key] !== RESERVED) spans.push([i, end]);
    i = skipSpace(bytes, end);
    if (bytes[i] === COMMA) i = skipSpace(bytes, i + 1);
  }
  return spans;
}

/** True if the object at `start` has no members. */
export function isEmptyObject(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === OPEN_BRACE && bytes[skipSpace(bytes, start + 1)] === CLOSE_BRACE;
}

function isEmpty(value: unknown): boolean {
  if (typeof value === "string" || Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** A time as RFC 3339; the epoch if it is invalid. */
function isoTime(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? new Date(0).toISOString() : date.toISOString();
}

const BILLION = 1_000_000_000;

/** Appends a whole number, which must not be negative. */
function appendInteger(out: ByteWriter, value: number): void {
  if (value < BILLION) {
    appendDigits(out, value | 0, digitsOf(value | 0));
    return;
  }
  const high = Math.floor(value / BILLION);
  appendInteger(out, high);
  appendDigits(out, (value - high * BILLION) | 0, 9);
}

function digitsOf(value: number): number {
  let count = 1;
  for (let power = 10; power <= value; power *= 10) count++;
  return count;
}

/** Appends the last `count` digits. */
function appendDigits(out: ByteWriter, value: number, count: number): void {
  out.reserve(count);
  const { bytes, length } = out;
  for (let at = length + count - 1; at >= length; at--) {
    const rest = (value / 10) | 0;
    bytes[at] = 0x30 + value - rest * 10;
    value = rest;
  }
  out.length = length + count;
}

/** Appends thousandths (0…999) as a fraction without trailing zeros. */
function appendFraction(out: ByteWriter, thousandths: number): void {
  if (thousandths === 0) return;
  out.byte(0x2e);
  for (let unit = 100; thousandths > 0; unit /= 10) {
    out.byte(0x30 + Math.floor(thousandths / unit));
    thousandths %= unit;
  }
}
