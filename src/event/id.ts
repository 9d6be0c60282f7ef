/** Bytes of an id after the file's own part: 6 of offset, 4 of item number, 8 of hash. */
const TAIL = Buffer.allocUnsafeSlow(18);

/**
 * A 64-bit hash of spans: two 32-bit multiplicative hashes with different multipliers, fed with each byte (as cyrb53
 * does), each finished with murmur3's mixer. It tells apart what stands at one position, no more; not against attackers.
 */
export class SpanHash {
  private a = 0;
  private b = 0;

  reset(): this {
    this.a = 0xdeadbeef | 0;
    this.b = 0x41c6ce57;
    return this;
  }

  /** Adds the bytes [start, end), and that they end here. */
  span(bytes: Uint8Array, start: number, end: number): this {
    let { a, b } = this;
    for (let i = start; i < end; i++) {
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

/** See {@link EventView.id}. `file` is the fingerprint's short form: its 96 bits are exactly the first 16 characters. */
export function eventId(file: string, offset: number, item: number, hash: SpanHash): string {
  TAIL.writeUIntBE(offset, 0, 6);
  TAIL.writeUInt32BE(item, 6);
  TAIL.writeUInt32BE(hash.high(), 10);
  TAIL.writeUInt32BE(hash.low(), 14);
  return file + TAIL.toString("base64url");
}
