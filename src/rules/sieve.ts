import { BACKSLASH } from "../plugin/index.js";
import { escaped } from "./automaton.js";
import { wordsOf } from "./words.js";

/** Bytes looked at together. */
const GRAM = 4;
/** Largest distance in bytes between two places that are looked at. */
const MAX_STRIDE = 4;
/** Bits of the table per gram, so that few other grams pass for one. */
const BITS_PER_GRAM = 64;
const HASH = 0x9e3779b1 | 0;
/** In each byte of a word: the highest bit, the lowest bit, the bit that makes a letter lower case, a backslash. */
const HIGH = 0x80808080 | 0;
const LOW = 0x01010101;
const LOWER = 0x20202020;
const BACKSLASHES = 0x5c5c5c5c;

/**
 * Proves for most values that none of many texts occurs in them, ignoring case. It looks at four bytes at a time (a gram), at as
 * few places as possible: wherever a text occurs, one of its last grams is at such a place.
 */
export class Sieve {
  /** Bytes from one place to the next; 0 if some text is shorter than a gram. */
  private readonly stride: number;
  private readonly grams: ReadonlySet<number>;
  /** A bit for the hash of each gram. */
  private readonly bits: Int32Array;
  private readonly shift: number;
  /** 1 for each byte, in lower case, that some text contains. */
  private readonly held = new Uint8Array(256);

  /** @param texts as bytes of JSON */
  constructor(texts: readonly Buffer[]) {
    const shortest = Math.min(...texts.map(({ length }) => length));
    this.stride = Math.max(0, Math.min(MAX_STRIDE, shortest - GRAM + 1));
    this.grams = new Set(texts.flatMap((text) => this.lastGrams(text)));
    const size = Math.ceil(Math.log2(BITS_PER_GRAM * (this.grams.size + 1)));
    this.shift = 32 - size;
    this.bits = new Int32Array(2 ** size / 32);
    for (const gram of this.grams) {
      const hash = Math.imul(gram, HASH) >>> this.shift;
      this.bits[hash >>> 5] |= 1 << hash;
    }
    for (const text of texts) for (const byte of text) this.held[byte | 0x20] = 1;
  }

  /** True if certainly none of the texts occurs in the JSON value at bytes [start, end). */
  isClear(bytes: Uint8Array, start: number, end: number): boolean {
    const { stride, bits, shift } = this;
    const last = end - GRAM;
    if (stride === 0 || last < start) return false;
    const words = wordsOf(bytes);
    for (let at = start; ; at = Math.min(at + stride, last)) {
      const word = words.getInt32(at, true);
      const zeroes = word ^ BACKSLASHES;
      const isUsual = ((((zeroes - LOW) & ~zeroes) | word) & HIGH) === 0;
      if (!isUsual && !this.isPlain(bytes, at)) return false;
      const gram = word | LOWER;
      const hash = Math.imul(gram, HASH) >>> shift;
      if ((bits[hash >>> 5] & (1 << hash)) !== 0 && this.grams.has(gram)) return false;
      if (at === last) return true;
    }
  }

  /**
   * True if the four bytes at `at` are ASCII, and every escape that begins there stands for an ASCII character that no text
   * contains.
   */
  private isPlain(bytes: Uint8Array, at: number): boolean {
    for (let i = at; i < at + GRAM; i++) {
      if (bytes[i] >= 0x80) return false;
      if (bytes[i] !== BACKSLASH) continue;
      const code = escaped(bytes, i);
      if (code <= 0 || code >= 0x80 || this.held[code | 0x20] === 1) return false;
    }
    return true;
  }

  /**
   * The last grams of a text, one for each offset within the stride: wherever the text occurs, one of them is at a place that is
   * looked at.
   */
  private lastGrams(text: Buffer): number[] {
    return Array.from({ length: this.stride }, (_, back) => text.readInt32LE(text.length - GRAM - back) | LOWER);
  }
}
