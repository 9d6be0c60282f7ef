import { upTo16 } from "./align.js";

const PAGE = 65_536;
/** For what the modules of `assembly/` keep at fixed addresses: each that is made writes the same there. */
export const FIXED = PAGE;

/** A part of an arena, by address. */
interface Block {
  start: number;
  end: number;
}

/**
 * One memory, which batches and the bodies of requests share, so that a document is written where it is sent from: WebAssembly
 * reaches one memory only. Its size is fixed, and what was not used yet takes none of the machine's.
 */
export class Arena {
  /** What modules of WebAssembly import; undefined where there is no WebAssembly. */
  readonly memory: WebAssembly.Memory | undefined;
  readonly buffer: ArrayBuffer;
  /** Free blocks by rising address; no two touch. */
  readonly #free: Block[];
  /** What begins here was never used: it is all zero. */
  #used = FIXED;

  /** @param bytes for blocks */
  constructor(bytes: number) {
    const pages = Math.ceil((FIXED + bytes) / PAGE);
    const webAssembly = typeof WebAssembly !== "undefined";
    this.memory = webAssembly ? new WebAssembly.Memory({ initial: pages, maximum: pages }) : undefined;
    this.buffer = this.memory?.buffer ?? new ArrayBuffer(pages * PAGE);
    this.#free = [{ start: FIXED, end: pages * PAGE }];
  }

  /** So many bytes, whatever they are, at a multiple of 16; undefined if there is no room. */
  take(bytes: number): Buffer | undefined {
    const size = upTo16(bytes);
    // The first that is large enough: so that as little as can be is ever used.
    const at = this.#free.findIndex(({ start, end }) => end - start >= size);
    if (at < 0) return undefined;
    const block = this.#free[at];
    const { start } = block;
    block.start += size;
    if (block.start === block.end) this.#free.splice(at, 1);
    this.#used = Math.max(this.#used, block.start);
    return Buffer.from(this.buffer, start, bytes);
  }

  /** The same, all zero. */
  takeZeroed(bytes: number): Buffer | undefined {
    const used = this.#used;
    const taken = this.take(bytes);
    return taken?.fill(0, 0, Math.max(0, Math.min(bytes, used - taken.byteOffset)));
  }

  /** Has what was taken back, which nobody uses any more. */
  give({ byteOffset: start, length }: Uint8Array): void {
    const end = start + upTo16(length);
    const found = this.#free.findIndex((block) => block.start >= end);
    const at = found < 0 ? this.#free.length : found;
    this.#free.splice(at, 0, { start, end });
    this.#join(at);
    if (at > 0) this.#join(at - 1);
  }

  /** Makes a free block and the next one of them one, if they touch. */
  #join(at: number): void {
    const [block, next] = [this.#free[at], this.#free[at + 1]];
    if (next?.start !== block.end) return;
    block.end = next.end;
    this.#free.splice(at + 1, 1);
  }
}
