import { ByteWriter } from "../plugin/index.js";
import type { Pieces } from "./pieces.js";

const EDIT_WORDS = 4;

/**
 * Replacements of spans of a batch's bytes, for all rows in one list. Each is stored as (start, end, start and end of the
 * replacement).
 */
export class Edits {
  count = 0;
  private words = new Uint32Array(64 * EDIT_WORDS);
  private readonly replacements = new ByteWriter();

  clear(): void {
    this.count = 0;
    this.replacements.clear();
  }

  /** Replaces [start, end) by a copy of `replacement`. */
  add(start: number, end: number, replacement: Uint8Array): void {
    const at = this.count++ * EDIT_WORDS;
    if (at === this.words.length) {
      const grown = new Uint32Array(at * 2);
      grown.set(this.words);
      this.words = grown;
    }
    this.words[at] = start;
    this.words[at + 1] = end;
    this.words[at + 2] = this.replacements.length;
    this.replacements.copy(replacement);
    this.words[at + 3] = this.replacements.length;
  }

  /** One past the last byte that edit `index` replaces. */
  end(index: number): number {
    return this.words[index * EDIT_WORDS + 1];
  }

  /** The first of the edits [first, last) that touches [start, end); `last` if none does. */
  touching(first: number, last: number, start: number, end: number): number {
    for (let index = first; index < last; index++) {
      const at = index * EDIT_WORDS;
      if (this.words[at] < end && (this.words[at + 1] > start || this.words[at] >= start)) return index;
    }
    return last;
  }

  /** The first byte that readers see of the value at `start`, after the edits [first, last). */
  firstByte(bytes: Uint8Array, start: number, first: number, last: number): number {
    const index = this.touching(first, last, start, start + 1);
    return index < last ? this.replacements.bytes[this.words[index * EDIT_WORDS + 2]] : bytes[start];
  }

  /** Appends [start, end) of `bytes` with the edits [first, last). An edit that reaches beyond the span is appended as a whole. */
  copy(out: ByteWriter, bytes: Uint8Array, start: number, end: number, first: number, last: number): void {
    let at = start;
    for (let index = this.touching(first, last, start, end); index < last; index++) {
      const word = index * EDIT_WORDS;
      if (this.words[word] >= end) break;
      if (this.words[word] > at) out.copy(bytes, at, this.words[word]);
      out.copy(this.replacements.bytes, this.words[word + 2], this.words[word + 3]);
      at = this.words[word + 1];
    }
    if (at < end) out.copy(bytes, at, end);
  }

  /** Says of which pieces that is made; what replaces something is appended to `out`. */
  cut(pieces: Pieces, out: ByteWriter, start: number, end: number, first: number, last: number): void {
    let at = start;
    for (let index = this.touching(first, last, start, end); index < last; index++) {
      const word = index * EDIT_WORDS;
      if (this.words[word] >= end) break;
      if (this.words[word] > at) pieces.keep(at, this.words[word]);
      pieces.replace(this.replacements.bytes, this.words[word + 2], this.words[word + 3], out);
      at = this.words[word + 1];
    }
    if (at < end) pieces.keep(at, end);
  }
}
