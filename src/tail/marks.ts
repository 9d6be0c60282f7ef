import fs from "node:fs";
import { crc32 } from "node:zlib";
import type { Descriptor } from "./descriptor.js";

/** A checksum of the bytes before a place that was read. If the file is shortened and written to, it has other bytes there. */
export interface Mark {
  /** Offset after the bytes. */
  readonly at: number;
  /** Number of bytes. */
  readonly length: number;
  /** Their CRC-32. */
  readonly sum: number;
}

const LENGTH = 64;
/** Bytes between marks that are kept. */
const SPACING = 64 * 1024;

const scratch = Buffer.allocUnsafeSlow(LENGTH);

/**
 * Marks the bytes before `at`, the last ones of `read`. The newest mark is always kept, older ones only at a distance from each
 * other.
 */
export function addMark(marks: Mark[], at: number, read: Uint8Array): void {
  const newest = marks.at(-1);
  if (newest && newest.at >= at) return;
  const bytes = read.subarray(Math.max(0, read.length - LENGTH));
  if (newest && newest.at - (marks.at(-2)?.at ?? 0) < SPACING) marks.pop();
  marks.push({ at, length: bytes.length, sum: crc32(bytes) });
}

/** True if the file still has the marked bytes. */
export function stands({ at, length, sum }: Mark, { fd }: Descriptor): boolean {
  const count = fs.readSync(fd, scratch, 0, length, at - length);
  return count === length && crc32(scratch.subarray(0, count)) === sum;
}

/** Drops marks after `size` and those whose bytes have changed. Returns the offset of the newest one left, or 0. */
export function lastStanding(marks: Mark[], size: number, descriptor: Descriptor): number {
  for (;;) {
    const newest = marks.at(-1);
    if (!newest) return 0;
    if (newest.at <= size && stands(newest, descriptor)) return newest.at;
    marks.pop();
  }
}

/** A few of the marks, for the state, at distances from the newest that double. */
export function thinned(marks: readonly Mark[]): Mark[] {
  const kept: Mark[] = [];
  let distance = 0;
  for (const mark of marks.toReversed()) {
    if (marks.at(-1)!.at - mark.at < distance) continue;
    kept.unshift(mark);
    distance = Math.max(SPACING, 2 * (marks.at(-1)!.at - mark.at));
  }
  return kept;
}
