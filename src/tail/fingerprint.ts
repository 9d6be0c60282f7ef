import { createHash } from "node:crypto";
import { eventTime } from "./event-time.js";

/** Most bytes of the first line that the fingerprint is made of. */
export const FINGERPRINT_BYTES = 4096;
/** The first line is looked for in so many bytes; most first lines fit into the first step. */
const STEPS = [64 * 1024, 1024 * 1024];
const scratch = Buffer.allocUnsafeSlow(STEPS[0]);
const NEWLINE = 0x0a;

/** What identifies a file. */
export interface FirstLine {
  /** SHA-256 of the line's first 4 KiB, hex. */
  readonly fingerprint: string;
  /** Offset of the bytes that were hashed: behind empty lines and NULs. */
  readonly start: number;
  /** The bytes that were hashed. */
  readonly head: Buffer;
  /** Time of the event on it, epoch milliseconds. */
  readonly time?: number;
}

/** Copies the file's bytes from 0 on into `into`; fewer than fit only at its end. */
export type ReadStart = (into: Buffer) => number;

/**
 * The file's first line that is not empty; undefined if it is not complete yet. `finished`: nothing more will be written,
 * so that a last line needs no newline. A line longer than 1 MiB is identified before it is complete, without a time.
 */
export function firstLine(read: ReadStart, finished: boolean): FirstLine | undefined {
  for (const step of STEPS) {
    const bytes = step === scratch.length ? scratch : Buffer.allocUnsafeSlow(step);
    const count = read(bytes);
    const start = skipBlank(bytes, count);
    const newline = bytes.subarray(0, count).indexOf(NEWLINE, start);
    const atEnd = count < step;
    if (newline < 0 && !atEnd && step !== STEPS.at(-1)) continue;
    if (start === count || (newline < 0 && atEnd && !finished)) return undefined;
    const line = bytes.subarray(start, newline < 0 ? count : newline);
    const head = Buffer.from(line.subarray(0, FINGERPRINT_BYTES));
    return { fingerprint: fingerprintOf(head), start, head, time: eventTime(line) };
  }
  return undefined;
}

export function fingerprintOf(head: Uint8Array): string {
  return createHash("sha256").update(head).digest("hex");
}

/** The short form that stands in documents: base64url of the first 96 bits. */
export function shortFingerprint(fingerprint: string): string {
  return Buffer.from(fingerprint.slice(0, 24), "hex").toString("base64url");
}

/** First byte that is neither NUL nor the end of an empty line. */
function skipBlank(bytes: Buffer, count: number): number {
  let at = 0;
  while (at < count && (bytes[at] === 0 || bytes[at] === NEWLINE || bytes[at] === 0x0d)) at++;
  return at;
}
