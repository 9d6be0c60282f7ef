import { upTo16 } from "./align.js";

const PAGE = 65_536;
/** Bytes reserved for what the modules of `assembly/` keep at fixed addresses; every instance writes the same there. */
export const FIXED = PAGE;

/** A part of an arena, by address. */
interface Block {
  start: number;
  end: number;
}

/**
 * One memory shared by batches and the bodies of requests, so that a document is written where it is sent from: a WebAssembly
 * module can reach only one memory. Its size is fixed; parts that were never used cost no physical memory.
 */
export class Arena {
  /** The memory that WebAssembly modules import; undefined where there is no WebAssembly. */
  readonly memory: WebAssembly.Memory | undefined;
  readonly buffer: ArrayBuffer;
  /** Free blocks by rising address; no two touch. */
  readonly #free: Block[];
  /** Everything from here on was never used, so it is all zero. */
  #used = FIXED;

  /** @param bytes for blocks */
  constructor(bytes: number) {
    const pages = Math.ceil((FIXED + bytes) / PAGE);
    const webAssembly = typeof WebAssembly !== "undefined";
    this.memory = webAssembly ? new WebAssembly.Memory({ initial: pages, maximum: pages }) : undefined;
    this.buffer = this.memory?.buffer ?? new ArrayBuffer(pages * PAGE);
    this.#free = [{ start: FIXED, end: pages * PAGE }];
  }

  /** Takes a block of this many bytes at a multiple of 16, with any content; undefined if there is no room. */
  take(bytes: number): Buffer | undefined {
    const size = upTo16(bytes);
    // Takes the first that is large enough, so that as little of the memory as possible is ever touched.
    const at = this.#free.findIndex(({ start, end }) => end - start >= size);
    if (at < 0) return undefined;
    const block = this.#free[at];
    const { start } = block;
    block.start += size;
    if (block.start === block.end) this.#free.splice(at, 1);
    this.#used = Math.max(this.#used, block.start);
    return Buffer.from(this.buffer, start, bytes);
  }

  /** Takes a block that is all zero. */
  takeZeroed(bytes: number): Buffer | undefined {
    const used = this.#used;
    const taken = this.take(bytes);
    return taken?.fill(0, 0, Math.max(0, Math.min(bytes, used - taken.byteOffset)));
  }

  /** Gives back a block that nobody uses any more. */
  give({ byteOffset: start, length }: Uint8Array): void {
    const end = start + upTo16(length);
    const found = this.#free.findIndex((block) => block.start >= end);
    const at = found < 0 ? this.#free.length : found;
    this.#free.splice(at, 0, { start, end });
    this.#join(at);
    if (at > 0) this.#join(at - 1);
  }

  /** Merges a free block with the next one if they touch. */
  #join(at: number): void {
    const [block, next] = [this.#free[at], this.#free[at + 1]];
    if (next?.start !== block.end) return;
    block.end = next.end;
    this.#free.splice(at + 1, 1);
  }
}
