import type { LogFile } from "./file-table.js";

/** Milliseconds by which clocks and file times may differ, and a rotation may take. */
const SLACK = 20;

/** Bytes per millisecond at which the newest files were written: the one that is written to and the one before it. */
function writeRate(files: readonly LogFile[], now: number): number | undefined {
  const newest = files.slice(-2);
  if (newest.length === 0) return undefined;
  const bytes = newest.reduce((sum, { size }) => sum + size, 0);
  const elapsed = now - newest[0].ref.time;
  return elapsed > 0 && bytes > 0 ? bytes / elapsed : undefined;
}

/**
 * Seconds until rotation deletes what is written now: the bytes of the backups that are kept, at the rate of the newest files.
 * Undefined as long as there is no backup.
 */
export function outageBudget(files: readonly LogFile[], now: number): number | undefined {
  const kept = files.filter(({ finished, gone }) => finished && !gone).reduce((sum, { size }) => sum + size, 0);
  const rate = writeRate(files, now);
  return kept > 0 && rate !== undefined ? kept / rate / 1000 : undefined;
}

/**
 * An estimate of what was written behind a file's last seen byte and before the next file began, at the rate of the first;
 * undefined if that is not known. Their times are those of their events, and the one in a backup's name.
 */
export function writtenBetween(before: LogFile, next: LogFile): number | undefined {
  const { rotated, lastEvent, size, ref } = before;
  const [end, bytes] = rotated === undefined ? [lastEvent, before.read ?? size] : [rotated, size];
  if (end === undefined || end <= ref.time) return undefined;
  const rate = bytes / (end - ref.time);
  const written = rate * (Math.max(0, next.ref.time - end) + SLACK);
  return Math.max(0, Math.ceil(written - (size - bytes)));
}
