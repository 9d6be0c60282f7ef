import { createHash, type Hash } from "node:crypto";
import type { ByteSource } from "./byte-source.js";

const NEWLINE = 0x0a;
/** First size of the spare buffer. */
const SMALLEST_SPARE = 64 * 1024;

const NULS = Buffer.alloc(16 * 1024);

/** What a long line came to. */
export type LongLineResult =
  /** The file's present end comes before the line's. */
  | { kind: "open" }
  /** `bytes[0, length)` is the line with its newline. */
  | { kind: "line"; bytes: Uint8Array; length: number }
  /** Longer than the limit: `skipped` bytes of the file, `length` without its newline. */
  | { kind: "oversized"; skipped: number; length: number; sha256: string };

/** One past the last newline in `bytes[0, count)`; 0 if there is none. */
export function endOfLastLine(bytes: Uint8Array, count: number): number {
  return count === 0 ? 0 : bytes.lastIndexOf(NEWLINE, count - 1) + 1;
}

/** How many NULs stand at `start` of `bytes[0, count)`: what a hole in a file reads as. */
export function nulsAt(bytes: Uint8Array, start: number, count: number): number {
  let at = start;
  while (at < count && bytes[at] === 0) {
    const block = Math.min(NULS.length, count - at);
    const clear = NULS.compare(bytes, at, at + block, 0, block) === 0;
    at += clear ? block : 1;
  }
  return at - start;
}

/**
 * A line that does not fit into the caller's buffer: collected in a spare one that grows up to the limit; beyond it only
 * hashed and counted, in bounded memory. Goes on where it stopped when more of the line is there.
 */
export class LongLine {
  readonly #limit: number;
  #spare: Uint8Array | undefined;
  #hash: Hash | undefined;
  /** Bytes of the line that were looked at. */
  #length = 0;

  /** @param limit most bytes of a line that is handled whole, without its newline. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes of the line that were looked at so far. */
  get length(): number {
    return this.#length;
  }

  /**
   * Reads on in the line that starts at `start`. `work`: the caller's buffer, to be overwritten. `finished`: the file's end
   * ends the line.
   */
  async read(source: ByteSource, start: number, work: Uint8Array, finished: boolean): Promise<LongLineResult> {
    for (;;) {
      const into = this.#room(work);
      const count = await source.read(into, start + this.#length);
      const newline = into.subarray(0, count).indexOf(NEWLINE);
      const taken = newline < 0 ? count : newline;
      this.#hash?.update(into.subarray(0, taken));
      this.#length += taken;
      if (newline >= 0) return this.#finish(1);
      if (count < into.length) return finished ? this.#finish(0) : { kind: "open" };
    }
  }

  /** Forgets the line; frees the spare buffer. */
  reset(): void {
    this.#spare = undefined;
    this.#hash = undefined;
    this.#length = 0;
  }

  /** Where the next bytes go: the spare buffer, or the caller's once they are only hashed. */
  #room(work: Uint8Array): Uint8Array {
    if (this.#hash) return work;
    const most = this.#limit + 1;
    this.#spare ??= Buffer.allocUnsafeSlow(Math.min(most, Math.max(SMALLEST_SPARE, work.length * 2)));
    if (this.#length === this.#spare.length && this.#length === most) {
      this.#hash = createHash("sha256").update(this.#spare);
      this.#spare = undefined;
      return work;
    }
    if (this.#length === this.#spare.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(most, this.#spare.length * 2));
      grown.set(this.#spare);
      this.#spare = grown;
    }
    return this.#spare.subarray(this.#length);
  }

  /** @param ending bytes of its newline, 0 or 1. */
  #finish(ending: number): LongLineResult {
    const length = this.#length;
    const result: LongLineResult = this.#hash
      ? { kind: "oversized", skipped: length + ending, length, sha256: this.#hash.digest("hex") }
      : { kind: "line", bytes: this.#spare!, length: length + ending };
    this.#hash = undefined;
    this.#length = 0;
    return result;
  }
}
