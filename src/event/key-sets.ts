import type { Keys } from "../plugin/index.js";

/** The function of `assembly/keys.ts` that is called. Addresses are in bytes. */
export interface KeyExports {
  findKeys(set: number, from: number, to: number, found: number): number;
}

/** Must agree with `assembly/keys.ts`. */
const LETTERS = 16;
const SLOTS = 32;
const KEYS = SLOTS + 2 * 1024;
const KEY = 24;

/** Bytes for sets of keys: enough for two of 500, and 32 of 16 as narrowed facets have. */
const SETS = 128 * 1024;
const MAX_KEYS = 1024;
/** Bytes of memory that sets of keys need. */
export const KEY_SETS_BYTES = SETS + 2 * MAX_KEYS;

/** Sets of keys in a WebAssembly memory. */
export class KeySets {
  /** The numbers of the keys found last. */
  readonly found: Uint16Array;
  readonly #exports: KeyExports;
  readonly #memory: Uint8Array;
  readonly #at: number;
  #next: number;
  #addresses = new WeakMap<Keys, number>();

  /** @param at address of {@link KEY_SETS_BYTES} bytes, a multiple of 8 */
  constructor(exports: KeyExports, memory: ArrayBuffer, at: number) {
    this.#exports = exports;
    this.#memory = new Uint8Array(memory);
    this.#at = at;
    this.#next = at;
    this.found = new Uint16Array(memory, at + SETS, MAX_KEYS);
  }

  /** How many of the keys are in [start, end) of the batch's bytes; -1 if that cannot be told. */
  find(keys: Keys, start: number, end: number): number {
    const set = this.#addresses.get(keys) ?? this.#add(keys);
    return set === 0 ? -1 : this.#exports.findKeys(set, start, end, this.found.byteOffset);
  }

  /** Writes a set and returns its address; 0 if it is too large. When there is no more room, all earlier sets are dropped. */
  #add(keys: Keys): number {
    let set = encode(keys, this.#next);
    if (this.#next + set.length > this.#at + SETS) {
      this.#next = this.#at;
      this.#addresses = new WeakMap();
      set = encode(keys, this.#next);
    }
    const fits = set.length <= SETS && keys.texts.length <= MAX_KEYS;
    const address = fits ? this.#next : 0;
    if (fits) {
      this.#memory.set(set, address);
      this.#next += set.length;
    }
    this.#addresses.set(keys, address);
    return address;
  }
}

/** Encodes a set for this address. */
function encode({ texts }: Keys, address: number): Buffer {
  const textsAt = KEYS + texts.length * KEY;
  const length = textsAt + texts.reduce((sum, text) => sum + text.length, 0);
  const set = Buffer.alloc((length + 7) & ~7);
  let at = textsAt;
  for (const [number, text] of texts.entries()) {
    const slot = SLOTS + 2 * (Math.imul(text.readUInt32LE(text.length - 4), 0x9e3779b1) >>> 22);
    const words = [address + at, text.length, set.readUInt16LE(slot)];
    for (const [i, word] of words.entries()) set.writeUInt32LE(word, KEYS + KEY * number + 4 * i);
    set.writeUInt16LE(number + 1, slot);
    for (const byte of text) {
      if (byte < 0x80) set[LETTERS + (byte >> 3)] |= 1 << (byte & 7);
      else set[8] = 1;
    }
    set.set(text, at);
    at += text.length;
  }
  return set;
}
