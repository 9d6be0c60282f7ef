import fs from "node:fs";
import { type ByteSource, CutError, ReplacedError } from "./byte-source.js";
import type { Descriptor } from "./descriptor.js";
import { type FirstLine, HEAD_BYTES, type Read } from "./fingerprint.js";
import { type Mark, stands } from "./marks.js";

const scratch = Buffer.allocUnsafe(HEAD_BYTES);

/** A plain file: positional reads from a held descriptor straight into the caller's buffer. */
export class PlainSource implements ByteSource {
  readonly damage = undefined;
  readonly #descriptor: Descriptor;
  readonly #first: FirstLine;
  readonly #marks: readonly Mark[];

  /**
   * Takes over one use of the descriptor.
   * @param marks what was read, as whoever reads notes it
   */
  constructor(descriptor: Descriptor, first: FirstLine, marks: readonly Mark[] = []) {
    this.#descriptor = descriptor;
    this.#first = first;
    this.#marks = marks;
  }

  read(into: Uint8Array, at: number): number {
    const count = fs.readSync(this.#descriptor.fd, into, 0, into.length, at);
    // Looked at after the bytes were read: a first line that still stands says that they were this file's.
    if (!stillBegins(this.#descriptor, this.#first)) throw new ReplacedError();
    const mark = this.#marks.at(-1);
    if (mark && !stands(mark, this.#descriptor)) throw new CutError();
    return count;
  }

  get hole(): number {
    return this.#first.hole;
  }

  size(): number {
    return this.#descriptor.stat().size;
  }

  close(): void {
    this.#descriptor.release();
  }
}

/** True while the file still begins with the line it was identified by. */
export function stillBegins({ fd }: Descriptor, { start, head }: FirstLine): boolean {
  const count = fs.readSync(fd, scratch, 0, head.length, start);
  return count === head.length && head.equals(scratch.subarray(0, count));
}

/** Reads a plain file anywhere. */
export function plainRead({ fd }: Descriptor): Read {
  return (into, at) => fs.readSync(fd, into, 0, into.length, at);
}
