import {
  ByteWriter,
  CLOSE_BRACE,
  COMMA,
  type ExtractedLine,
  FIELD_PATHS,
  Field,
  type LineExtractor,
  NEWLINE,
  OPEN_BRACE,
  RETURN,
} from "../plugin/index.js";
import { asBuffer } from "./json.js";
import { JsonStream, type OuterMembers } from "./json-stream.js";
import { CAPITAL, EVENT_KEYS, ITEMS } from "./keys.js";
import { findWholeEvent } from "./salvage.js";

/** Members that are always dropped. */
const LEFT_OUT: ReadonlySet<number> = new Set([Field.requestObject, Field.responseObject, ITEMS]);
/** Largest member that is kept, in bytes: annotations and the user's groups can be larger than one would think. */
const MOST_OF_MEMBER = 256 * 1024;
/** Most bytes kept of all members together. */
const MOST_OF_LINE = 1024 * 1024;
/** Bytes at the line's end that are searched for a whole event if the line is not one itself. */
const END = 2 * 1024 * 1024;

/**
 * Extracts the event from a line too long to be held: its members without the bodies, byte for byte, using a few MiB of memory. The
 * whole line must be one object, so that nothing inside a body is mistaken for the event. Otherwise the line may be torn.
 */
export class EventExtractor implements LineExtractor, OuterMembers {
  readonly #json = new JsonStream(this);
  readonly #end = new LineEnd();
  /** `{` and the members that are kept, each followed by a comma. */
  readonly #kept = new ByteWriter();
  readonly #dropped = new Set<string>();
  /** Where the current member begins in `#kept`. */
  #member = 0;
  /** Where in the current bytes the current member is still to be copied from; -1 if it is not kept. */
  #copyFrom = -1;
  #field = -1;
  #isEvent = false;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor() {
    this.#kept.byte(OPEN_BRACE);
  }

  add(bytes: Uint8Array): void {
    this.#end.add(bytes);
    this.#bytes = bytes;
    if (this.#copyFrom >= 0) this.#copyFrom = 0;
    this.#json.add(bytes);
    if (!this.#json.failed) this.#copy(bytes.length);
  }

  end(): ExtractedLine | undefined {
    if (this.#json.complete) return this.#event();
    const at = this.#end.findEvent();
    return at < 0 ? undefined : { kind: "torn", at };
  }

  keyBegins(at: number): void {
    this.#member = this.#kept.length;
    this.#copyFrom = at;
    this.#field = -1;
  }

  keyEnds(at: number): void {
    this.#copy(at);
    if (this.#copyFrom < 0) return;
    const { bytes, length } = this.#kept;
    const key = EVENT_KEYS.findEscaped(asBuffer(bytes), this.#member + 1, length - 1);
    this.#field = key < 0 ? -1 : EVENT_KEYS.codes[key] & ~CAPITAL;
    if (LEFT_OUT.has(this.#field)) this.#drop();
  }

  valueEnds(at: number): void {
    this.#copy(at);
    if (this.#copyFrom < 0) return;
    this.#copyFrom = -1;
    if (this.#field === Field.kind) this.#isEvent = this.#memberValue() === "Event";
    this.#kept.byte(COMMA);
  }

  /** Copies the current member up to `end` of the current bytes, unless it gets too large. */
  #copy(end: number): void {
    if (this.#copyFrom < 0) return;
    const length = this.#kept.length + end - this.#copyFrom;
    if (length - this.#member > MOST_OF_MEMBER || length > MOST_OF_LINE) {
      this.#drop();
      return;
    }
    this.#kept.copy(this.#bytes, this.#copyFrom, end);
    this.#copyFrom = end;
  }

  #drop(): void {
    this.#kept.length = this.#member;
    this.#copyFrom = -1;
    this.#dropped.add(this.#field === ITEMS ? "items" : (FIELD_PATHS[this.#field] ?? "other"));
  }

  #memberValue(): unknown {
    const member = asBuffer(this.#kept.bytes).toString("utf8", this.#member, this.#kept.length);
    return Object.values(JSON.parse(`{${member}}`))[0];
  }

  #event(): ExtractedLine | undefined {
    // A list of events is not an event.
    if (this.#dropped.has("items") && !this.#isEvent) return undefined;
    const out = this.#kept;
    if (out.length > 1) out.length--;
    out.byte(CLOSE_BRACE);
    out.byte(NEWLINE);
    return { kind: "event", bytes: out.view(), dropped: [...this.#dropped] };
  }
}

/** The last bytes of a line. */
class LineEnd {
  readonly #bytes = Buffer.allocUnsafeSlow(2 * END);
  #count = 0;
  /** How many bytes of the line precede them. */
  #before = 0;

  add(bytes: Uint8Array): void {
    const part = bytes.subarray(Math.max(0, bytes.length - END));
    const skipped = bytes.length - part.length;
    if (this.#count + part.length > this.#bytes.length || skipped > 0) this.#keep(skipped > 0 ? 0 : END);
    this.#before += skipped;
    this.#bytes.set(part, this.#count);
    this.#count += part.length;
  }

  /** Offset in the line of a whole event that ends exactly at the line's end; -1 if there is none. */
  findEvent(): number {
    const last = this.#count;
    const bytes = Buffer.concat([this.#bytes.subarray(0, last), Buffer.of(NEWLINE)]);
    const end = bytes[last - 1] === RETURN ? last - 1 : last;
    const found = findWholeEvent(bytes, this.#before === 0 ? 0 : -1, end);
    return found < 0 ? -1 : this.#before + found;
  }

  #keep(count: number): void {
    const surplus = Math.max(0, this.#count - count);
    this.#bytes.copyWithin(0, surplus, this.#count);
    this.#before += surplus;
    this.#count -= surplus;
  }
}
