import { createHash } from "node:crypto";
import { NEWLINE, RETURN } from "../plugin/index.js";
import { eventTime } from "./event-time.js";
import { nulsAt } from "./lines.js";

/** Most bytes of the first line that are compared to see whether it is unchanged. */
export const HEAD_BYTES = 4096;
/** Enough for most first lines. */
const SMALL = 64 * 1024;
/** Bytes read at a time of longer ones; also the bytes kept of a line's end to find its time in. */
export const LARGE = 1024 * 1024;
/**
 * A longer first line is identified by this many bytes, even if it is incomplete, and without its time. No request produces such a
 * line.
 */
const LONGEST = 64 * LARGE;

const scratch = Buffer.allocUnsafeSlow(SMALL);

/** What identifies a file. */
export interface FirstLine {
  /** SHA-256 of the line, in hex. It covers the whole line, including its times, because a client can repeat everything before them. */
  readonly fingerprint: string;
  /** Its offset. */
  readonly start: number;
  /** The number of NULs that the file begins with: a hole. */
  readonly hole: number;
  /** Its first bytes. */
  readonly head: Buffer;
  /** Time of the event on it, epoch milliseconds. */
  readonly time?: number;
}

/** Copies a file's bytes from `at` on into `into`; fewer than fit only at the file's end. */
export type Read = (into: Buffer, at: number) => number;

/**
 * The file's first line that is not empty, after any NULs that a hole has left; undefined if it is not complete yet. `finished`:
 * nothing more will be written, so the last line needs no newline.
 */
export function firstLine(read: Read, finished: boolean): FirstLine | undefined {
  const finder = new FirstLineFinder();
  let bytes = scratch;
  for (let at = 0; ; at += bytes.length) {
    // A hole may be as large as a gigabyte.
    if (at === SMALL) bytes = Buffer.allocUnsafeSlow(LARGE);
    const count = read(bytes, at);
    if (finder.add(bytes.subarray(0, count))) return finder.found();
    if (count < bytes.length) return finished ? finder.found() : undefined;
  }
}

/** Finds the first line in a file's bytes as they arrive. */
export class FirstLineFinder {
  readonly #hash = createHash("sha256");
  /** Bytes so far. */
  #size = 0;
  #hole: number | undefined;
  #start: number | undefined;
  /** Bytes of the line so far. */
  #length = 0;
  #head = Buffer.alloc(0);
  /** The last bytes of the line so far. */
  #tail = Buffer.alloc(0);
  #time: number | undefined;

  /** Processes the file's next bytes, without keeping them. @returns true if no more are needed */
  add(bytes: Buffer): boolean {
    const from = this.#start === undefined ? this.#begin(bytes) : 0;
    this.#size += bytes.length;
    const rest = bytes.subarray(from, from + LONGEST - this.#length);
    const newline = rest.indexOf(NEWLINE);
    this.#take(newline < 0 ? rest : rest.subarray(0, newline));
    if (newline >= 0) this.#time = eventTime(this.#tail);
    return newline >= 0 || this.#length === LONGEST;
  }

  /** The line so far; undefined if there is none. */
  found(): FirstLine | undefined {
    if (this.#start === undefined) return undefined;
    const fingerprint = this.#hash.digest("hex");
    return { fingerprint, start: this.#start, hole: this.#hole!, head: this.#head, time: this.#time };
  }

  /** Finds the first byte that is neither NUL nor the end of an empty line; the end of the bytes if there is none. */
  #begin(bytes: Buffer): number {
    let at = nulsAt(bytes, 0, bytes.length);
    if (at < bytes.length) this.#hole ??= this.#size + at;
    while (at < bytes.length && (bytes[at] === NEWLINE || bytes[at] === RETURN || bytes[at] === 0)) at++;
    if (at < bytes.length) this.#start = this.#size + at;
    return at;
  }

  #take(part: Buffer): void {
    this.#hash.update(part);
    this.#length += part.length;
    this.#head = Buffer.concat([this.#head, part.subarray(0, HEAD_BYTES - this.#head.length)]);
    this.#tail = Buffer.concat([this.#tail, part]).subarray(-LARGE);
  }
}

/** The short form used in documents: base64url of the first 96 bits. */
export function shortFingerprint(fingerprint: string): string {
  return Buffer.from(fingerprint.slice(0, 24), "hex").toString("base64url");
}
