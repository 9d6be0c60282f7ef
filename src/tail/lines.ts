import { createHash, type Hash } from "node:crypto";
import { type ExtractedLine, type LineExtractor, NEWLINE } from "../plugin/index.js";
import { largeBuffer } from "../plugin/large-buffer.js";
import type { ByteSource } from "./byte-source.js";

/** Fewest bytes read at a time when a line is collected. */
const SMALLEST_READ = 64 * 1024;
/** A spare buffer with no more than this many bytes used is kept. */
const KEPT = 4 * 1024 * 1024;

const NULS = Buffer.alloc(16 * 1024);
/** At least this many NULs at the end of what was read are a hole in the file. */
const HOLE = 4096;

/** The result of reading on in a long line. */
export type LongLineResult =
  /** The file's current end comes before the line's. */
  | { kind: "open" }
  /** Some of it was read; there is more. */
  | { kind: "more" }
  /** `bytes[0, length)` is the line with its newline. */
  | { kind: "line"; bytes: Uint8Array; length: number }
  /** The line exceeds the limit: it takes `skipped` bytes of the file, and `length` without its newline. */
  | { kind: "oversized"; skipped: number; length: number; sha256: string; found: ExtractedLine | undefined };

/** One past the last newline in `bytes[0, count)`; 0 if there is none. */
export function endOfLastLine(bytes: Uint8Array, count: number): number {
  return count === 0 ? 0 : bytes.lastIndexOf(NEWLINE, count - 1) + 1;
}

/** The number of NULs at `start` of `bytes[0, count)`. A hole in a file reads as NULs. */
export function nulsAt(bytes: Uint8Array, start: number, count: number): number {
  let at = start;
  while (at < count && bytes[at] === 0) {
    const block = Math.min(NULS.length, count - at);
    const clear = NULS.compare(bytes, at, at + block, 0, block) === 0;
    at += clear ? block : 1;
  }
  return at - start;
}

/** The number of NULs at the end of `bytes[0, count)` if they are a hole in the file; otherwise 0. */
function holeBefore(bytes: Uint8Array, count: number): number {
  let at = count;
  while (at >= HOLE && NULS.compare(bytes, at - HOLE, at, 0, HOLE) === 0) at -= HOLE;
  if (at === count) return 0;
  while (at > 0 && bytes[at - 1] === 0) at--;
  return count - at;
}

/**
 * A line that does not fit into the caller's buffer. Up to the limit it is collected in a spare buffer; beyond that it is only
 * hashed and searched for an event, in bounded memory. It continues where it stopped when more of the line is there. A hole in the
 * file ends a line.
 */
export class LongLine {
  readonly #limit: number;
  readonly #openExtractor: () => LineExtractor;
  #spare: Uint8Array | undefined;
  /** Bytes of the spare buffer that were written to, and so take physical memory. */
  #used = 0;
  #hash: Hash | undefined;
  #extractor: LineExtractor | undefined;
  /** Bytes of the line processed so far. */
  #length = 0;

  /** @param limit most bytes of a line that is handled whole, without its newline */
  constructor(limit: number, openExtractor: () => LineExtractor) {
    this.#limit = limit;
    this.#openExtractor = openExtractor;
  }

  /** Bytes of the line processed so far. */
  get length(): number {
    return this.#length;
  }

  /**
   * Continues the line that starts at `start`. `work`: the caller's buffer, which is overwritten. `finished`: the file's end also
   * ends the line.
   */
  async read(source: ByteSource, start: number, work: Uint8Array, finished: boolean): Promise<LongLineResult> {
    const into = this.#room(work);
    const count = await source.read(into, start + this.#length);
    const nuls = nulsAt(into, 0, count);
    if (nuls >= HOLE && (nuls < count || count === into.length)) return this.#finish(0);
    const newline = into.subarray(0, count).indexOf(NEWLINE);
    const hole = newline < 0 ? holeBefore(into, count) : 0;
    const taken = newline < 0 ? count - hole : newline;
    this.#hash?.update(into.subarray(0, taken));
    this.#extractor?.add(into.subarray(0, taken));
    this.#length += taken;
    if (newline >= 0) return this.#finish(1);
    if (count === into.length) return hole > 0 ? this.#finish(0) : { kind: "more" };
    return finished ? this.#finish(0) : { kind: "open" };
  }

  /** Forgets the line; frees the spare buffer if much of it was used. */
  reset(): void {
    if (this.#used > KEPT) this.#free();
    this.#hash = undefined;
    this.#extractor = undefined;
    this.#length = 0;
  }

  #free(): void {
    this.#spare = undefined;
    this.#used = 0;
  }

  /** Where the next bytes go: the spare buffer, or the caller's buffer once they are only hashed and searched. */
  #room(work: Uint8Array): Uint8Array {
    if (this.#hash) return work;
    // Room for the longest line at once: pages that were never written to take no memory, and growing would leave garbage.
    this.#spare ??= largeBuffer(this.#limit + 1);
    if (this.#length === this.#spare.length) {
      this.#hash = createHash("sha256").update(this.#spare);
      this.#extractor = this.#openExtractor();
      this.#extractor.add(this.#spare);
      this.#free();
      return work;
    }
    const end = Math.min(this.#spare.length, this.#length + Math.max(SMALLEST_READ, work.length));
    this.#used = Math.max(this.#used, end);
    return this.#spare.subarray(this.#length, end);
  }

  /** @param ending bytes of its newline, 0 or 1 */
  #finish(ending: number): LongLineResult {
    const length = this.#length;
    const result: LongLineResult = this.#hash
      ? {
          kind: "oversized",
          skipped: length + ending,
          length,
          sha256: this.#hash.digest("hex"),
          found: this.#extractor!.end(),
        }
      : { kind: "line", bytes: this.#spare!, length: length + ending };
    this.#hash = undefined;
    this.#extractor = undefined;
    this.#length = 0;
    return result;
  }
}

/** SHA-256 of the bytes [start, end) of a file, in hex. `work` is overwritten. */
export async function hashOf(source: ByteSource, start: number, end: number, work: Uint8Array): Promise<string> {
  const hash = createHash("sha256");
  for (let at = start; at < end; ) {
    const count = await source.read(work.subarray(0, end - at), at);
    if (count === 0) break;
    hash.update(work.subarray(0, count));
    at += count;
  }
  return hash.digest("hex");
}
