import { BACKSLASH, QUOTE, ZERO } from "./ascii.js";
import { largeBuffer } from "./large-buffer.js";

/** Up to so many bytes are copied one by one: a call would cost more. */
const TINY = 8;
/** Fewer bytes are copied one by one: a view of them would cost more. */
const SHORT = 48;

/** Beyond this size, memory grows by a quarter at a time instead of doubling. */
const LARGE = 4 * 1024 * 1024;

const LETTER_U = 0x75;
const HEX = Buffer.from("0123456789abcdef");

/** By byte: how much longer it is in a JSON string. */
const ESCAPE_LENGTH = new Uint8Array(256).fill(5, 0, 0x20);
ESCAPE_LENGTH[QUOTE] = 1;
ESCAPE_LENGTH[BACKSLASH] = 1;

/** A growing run of bytes. What sinks encode into. */
export class ByteWriter {
  bytes: Buffer;
  length = 0;
  /**
   * Where the last document lies that `EventView.writeDocument` wrote here: its first byte, the comma before our
   * members, and one past its last byte. Dead letters are cut out of requests by it.
   */
  readonly document = { start: 0, members: 0, end: 0 };

  constructor(capacity = 4096) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  /** Makes room for `more` bytes. */
  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const { length } = this.bytes;
    const room = Math.max(needed, length + Math.min(length, Math.max(LARGE, length >> 2)));
    const grown = room > LARGE ? largeBuffer(room) : Buffer.allocUnsafeSlow(room);
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Appends `from[start, end)`. */
  copy(from: Uint8Array, start = 0, end = from.length): void {
    const count = end - start;
    this.reserve(count);
    const { bytes, length } = this;
    if (count === from.length && count > TINY) bytes.set(from, length);
    else if (count < SHORT) for (let i = 0; i < count; i++) bytes[length + i] = from[start + i];
    else bytes.set(new Uint8Array(from.buffer, from.byteOffset + start, count), length);
    this.length = length + count;
  }

  /** Appends text as UTF-8, as it stands. */
  text(text: string): void {
    this.reserve(text.length * 3);
    this.length += this.bytes.write(text, this.length, "utf8");
  }

  /** Appends a value as JSON. */
  json(value: unknown): void {
    this.text(JSON.stringify(value));
  }

  /** Turns the UTF-8 text appended since `start` (mostly valid JSON) into a JSON string. */
  quote(start: number): void {
    const { length } = this;
    let escapes = 0;
    for (let i = start; i < length; i++) escapes += ESCAPE_LENGTH[this.bytes[i]];
    this.reserve(escapes + 2);
    const { bytes } = this;
    let to = length + escapes + 2;
    this.length = to;
    bytes[--to] = QUOTE;
    // From the end, so that nothing is overwritten before it was read.
    for (let i = length - 1; i >= start; i--) {
      const byte = bytes[i];
      switch (ESCAPE_LENGTH[byte]) {
        case 0:
          bytes[--to] = byte;
          break;
        case 1:
          bytes[--to] = byte;
          bytes[--to] = BACKSLASH;
          break;
        default:
          bytes[--to] = HEX[byte & 15];
          bytes[--to] = HEX[byte >> 4];
          bytes[--to] = ZERO;
          bytes[--to] = ZERO;
          bytes[--to] = LETTER_U;
          bytes[--to] = BACKSLASH;
      }
    }
    bytes[--to] = QUOTE;
  }

  /** What was written. A view: copy it to keep it. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  /** Forgets what was written; keeps the memory. */
  clear(): void {
    this.length = 0;
  }
}
