import { createHash } from "node:crypto";
import { NEWLINE, RETURN } from "../plugin/index.js";
import { eventTime } from "./event-time.js";
import { nulsAt } from "./lines.js";

/** Most bytes of the first line that are looked at to see whether it still stands. */
export const HEAD_BYTES = 4096;
/** Enough for most first lines. */
const SMALL = 64 * 1024;
/** A longer first line is identified by so much of it, before it is complete and without a time. */
const LARGE = 1024 * 1024;

const scratch = Buffer.allocUnsafeSlow(SMALL);

/** What identifies a file. */
export interface FirstLine {
  /** SHA-256 of the line, hex: of all of it, up to its times, since what stands before them is the client's to repeat. */
  readonly fingerprint: string;
  /** Its offset. */
  readonly start: number;
  /** How many NULs the file begins with: a hole. */
  readonly hole: number;
  /** Its first bytes. */
  readonly head: Buffer;
  /** Time of the event on it, epoch milliseconds. */
  readonly time?: number;
}

/** Copies a file's bytes from `at` on into `into`; fewer than fit only at its end. */
export type Read = (into: Buffer, at: number) => number;

/**
 * The file's first line that is not empty, behind NULs that a hole has left; undefined if it is not complete yet.
 * `finished`: nothing more will be written, so that a last line needs no newline.
 */
export function firstLine(read: Read, finished: boolean): FirstLine | undefined {
  const found = firstByte(read);
  if (found === undefined) return undefined;
  return lineAt(read, found, finished, scratch) ?? lineAt(read, found, finished, Buffer.allocUnsafeSlow(LARGE));
}

function fingerprintOf(line: Uint8Array): string {
  return createHash("sha256").update(line).digest("hex");
}

/** The short form that stands in documents: base64url of the first 96 bits. */
export function shortFingerprint(fingerprint: string): string {
  return Buffer.from(fingerprint.slice(0, 24), "hex").toString("base64url");
}

type Beginning = Pick<FirstLine, "start" | "hole">;

/** Finds the first byte that is neither NUL nor the end of an empty line; undefined if there is none. */
function firstByte(read: Read): Beginning | undefined {
  let bytes = scratch;
  let hole: number | undefined;
  for (let from = 0; ; from += bytes.length) {
    // A hole may have a gigabyte.
    if (from === SMALL) bytes = Buffer.allocUnsafeSlow(LARGE);
    const count = read(bytes, from);
    let at = nulsAt(bytes, 0, count);
    if (at < count) hole ??= from + at;
    while (at < count && (bytes[at] === NEWLINE || bytes[at] === RETURN || bytes[at] === 0)) at++;
    if (at < count) return { start: from + at, hole: hole! };
    if (count < bytes.length) return undefined;
  }
}

function lineAt(read: Read, found: Beginning, finished: boolean, bytes: Buffer): FirstLine | undefined {
  const { start } = found;
  const count = read(bytes, start);
  const newline = bytes.subarray(0, count).indexOf(NEWLINE);
  const complete = newline >= 0 || (count < bytes.length ? finished : bytes.length === LARGE);
  if (!complete) return undefined;
  const line = bytes.subarray(0, newline < 0 ? count : newline);
  const head = Buffer.from(line.subarray(0, HEAD_BYTES));
  return { fingerprint: fingerprintOf(line), ...found, head, time: newline < 0 ? undefined : eventTime(line) };
}
