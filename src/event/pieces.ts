import type { ByteWriter } from "../plugin/index.js";

/** Words of a piece: its address and its length in bytes. */
export const PIECE_WORDS = 2;

/** What edited lines are made of, as `assembly/document.ts` puts it together: runs of the batch's bytes, and what replaces others. */
export class Pieces {
  /** How many there are, and are wanted. */
  count = 0;
  /** Bytes of all of them. */
  length = 0;
  readonly #words: Uint32Array;
  readonly #batch: number;

  /**
   * @param words {@link PIECE_WORDS} for each, in the memory
   * @param batch address of the batch's bytes
   */
  constructor(words: Uint32Array, batch: number) {
    this.#words = words;
    this.#batch = batch;
  }

  clear(): void {
    this.count = 0;
    this.length = 0;
  }

  /** Address of the next one. */
  get address(): number {
    return this.#words.byteOffset + this.count * PIECE_WORDS * 4;
  }

  /** False if there were more than there is room for. */
  get fit(): boolean {
    return this.count * PIECE_WORDS <= this.#words.length;
  }

  /** Adds [start, end) of the batch's bytes. */
  keep(start: number, end: number): void {
    this.#add(this.#batch + start, end - start);
  }

  /** Adds [start, end) of `bytes`, which are appended to `out`: a writer in the same memory. */
  replace(bytes: Uint8Array, start: number, end: number, out: ByteWriter): void {
    this.#add(out.bytes.byteOffset + out.length, end - start);
    out.copy(bytes, start, end);
  }

  #add(address: number, length: number): void {
    const at = this.count++ * PIECE_WORDS;
    this.#words[at] = address;
    this.#words[at + 1] = length;
    this.length += length;
  }
}
