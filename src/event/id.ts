import type { ByteWriter, FileRef } from "../plugin/index.js";

/**
 * A 64-bit hash of spans. It consists of two 32-bit multiplicative hashes with different multipliers, like cyrb53 but fed four
 * bytes at a time, each finished with murmur3's mixer. It only has to tell apart events at the same position, and does not
 * withstand attackers.
 */
export class SpanHash {
  private a = 0;
  private b = 0;
  private bytes: Uint8Array = Buffer.alloc(0);
  private words = new DataView(this.bytes.buffer);

  /** Starts a new hash over spans of these bytes. */
  over(bytes: Uint8Array): this {
    this.a = 0xdeadbeef | 0;
    this.b = 0x41c6ce57;
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    return this;
  }

  /** Adds the bytes [start, end) and their length. */
  span(start: number, end: number): this {
    const { bytes, words } = this;
    let { a, b } = this;
    let i = start;
    for (; i + 4 <= end; i += 4) {
      const word = words.getInt32(i, true);
      // Multiplying leaves the influence of high bits in high bits; rotating brings it down again.
      a = Math.imul(a ^ word, 2654435761);
      a = (a << 15) | (a >>> 17);
      b = Math.imul(b ^ word, 1597334677);
      b = (b << 13) | (b >>> 19);
    }
    for (; i < end; i++) {
      a = Math.imul(a ^ bytes[i], 2654435761);
      b = Math.imul(b ^ bytes[i], 1597334677);
    }
    this.a = a;
    this.b = b;
    return this.number(end - start);
  }

  /** Adds an integer below 2^32. */
  number(value: number): this {
    this.a = Math.imul(this.a ^ value, 2654435761);
    this.b = Math.imul(this.b ^ value, 1597334677);
    return this;
  }

  high(): number {
    return mix(this.a ^ this.b);
  }

  low(): number {
    return mix(this.b ^ (this.a >>> 16));
  }
}

/** murmur3's finaliser. */
function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const ALPHABET = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", "latin1");
/** Characters after the file's own part: 48 bits of offset, 32 of item number, 64 of hash. */
export const ID_TAIL = 24;

/**
 * An event's id as text (see {@link EventView.id}), rewritten in the same memory for each event. The file's part is the short form
 * of its fingerprint: 96 bits, which are exactly 16 characters.
 */
export class IdText {
  private file: FileRef | undefined;
  /** The file's part, followed by the tail of the last event. */
  private bytes = Buffer.alloc(ID_TAIL);

  /** Writes the id of an event. */
  set(file: FileRef, offset: number, item: number, hash: SpanHash): void {
    if (file !== this.file) {
      this.file = file;
      this.bytes = Buffer.from(file.id + " ".repeat(ID_TAIL), "latin1");
    }
    const at = this.bytes.length - ID_TAIL;
    const high = hash.high();
    const low = hash.low();
    const offsetHigh = Math.floor(offset / 0x1000000);
    this.put(at, offsetHigh);
    this.put(at + 4, offset - offsetHigh * 0x1000000);
    this.put(at + 8, item >>> 8);
    this.put(at + 12, ((item & 0xff) << 16) | (high >>> 16));
    this.put(at + 16, ((high & 0xffff) << 8) | (low >>> 24));
    this.put(at + 20, low & 0xffffff);
  }

  /** Appends the id. */
  write(out: ByteWriter): void {
    out.copy(this.bytes);
  }

  toString(): string {
    return this.bytes.toString("latin1");
  }

  /** Writes 24 bits as four characters of base64url. */
  private put(at: number, bits: number): void {
    const { bytes } = this;
    bytes[at] = ALPHABET[bits >>> 18];
    bytes[at + 1] = ALPHABET[(bits >>> 12) & 63];
    bytes[at + 2] = ALPHABET[(bits >>> 6) & 63];
    bytes[at + 3] = ALPHABET[bits & 63];
  }
}
