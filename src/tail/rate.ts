import type { LogFile } from "./file-table.js";

/** Milliseconds by which clocks and file times may differ, and a rotation may take. */
const SLACK = 20;
/**
 * Bytes per millisecond that no log is written at: 1 GiB/s. kube-apiserver makes JSON of each event, and writes them one at a time, each
 * with a system call.
 */
const CEILING = 1024 ** 3 / 1000;

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
 * Most bytes that can have been written behind a file's last seen byte and before the next file began; undefined if the clock
 * went back in between. The rate of before bounds nothing, since files are lost in bursts.
 */
export function mostWritten(before: LogFile, next: LogFile): number | undefined {
  const { lastEvent, read = 0, size, ref } = before;
  // By the times of events: they may be written later, and names say when a file was rotated.
  const [from, seen] = lastEvent === undefined ? [ref.time, size] : [lastEvent, size - read];
  const elapsed = next.ref.time - from;
  return elapsed < -SLACK ? undefined : Math.max(0, Math.ceil(CEILING * (Math.max(0, elapsed) + SLACK)) - seen);
}

/**
 * An estimate of the same: what was written if it was at the rate of the first file; undefined if that is not known. Their times are
 * those of their events, and the one in a backup's name.
 */
export function likelyWritten(before: LogFile, next: LogFile): number | undefined {
  const { rotated, lastEvent, size, ref } = before;
  const [end, bytes] = rotated === undefined ? [lastEvent, before.read ?? size] : [rotated, size];
  if (end === undefined || end <= ref.time) return undefined;
  const rate = bytes / (end - ref.time);
  return Math.max(0, Math.ceil(rate * (next.ref.time - end)) - (size - bytes));
}
