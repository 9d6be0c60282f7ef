import { createHash } from "node:crypto";
import { open, readdir, rename, stat, truncate, unlink, utimes } from "node:fs/promises";
import { basename, dirname, join, parse } from "node:path";

/** A rotated file of the archive: `audit-<UTC day>-<sequence>.ndjson[.gz]` beside `audit.ndjson[.gz]`. */
export interface Backup {
  readonly path: string;
  readonly sequence: number;
}

/** Where an archive ended, as it is kept with the sink's cursor. */
export interface Mark {
  /** The active file's path at that moment. */
  path: string;
  /** Its number; the files rotated before it have lower ones. */
  sequence: number;
  /** Its length in bytes as stored (compressed, if it is). */
  length: number;
  /** {@link headOf} it. */
  head: string;
}

/** How much of a file's beginning tells it from other files. */
export const HEAD_BYTES = 1024;

/** SHA-256 of a file's first {@link HEAD_BYTES} bytes, hex; "" for an empty one. */
export const headOf = (bytes: Uint8Array): string =>
  bytes.length === 0 ? "" : createHash("sha256").update(bytes.subarray(0, HEAD_BYTES)).digest("hex");

/** The rotated files of an archive, oldest first. */
export async function listBackups(active: string): Promise<Backup[]> {
  const { prefix, suffix } = affixes(active);
  const backups: Backup[] = [];
  for (const name of await readdir(dirname(active))) {
    if (!name.startsWith(prefix) || !name.endsWith(suffix)) continue;
    const match = /^\d{4}-\d\d-\d\d-(\d{6,})$/.exec(name.slice(prefix.length, -suffix.length || undefined));
    if (match) backups.push({ path: join(dirname(active), name), sequence: Number(match[1]) });
  }
  return backups.sort((a, b) => a.sequence - b.sequence);
}

/** The name that the active file gets when it is rotated. `day` is `YYYY-MM-DD`. */
export function backupPath(active: string, day: string, sequence: number): string {
  const { prefix, suffix } = affixes(active);
  return join(dirname(active), `${prefix}${day}-${String(sequence).padStart(6, "0")}${suffix}`);
}

/**
 * Brings an archive back to where it was at `mark`: what was written after it goes, in the file it names and in all that
 * were begun since. False, and nothing is touched, if that file is not there or is not the one that was written.
 */
export async function rewind(mark: Mark): Promise<boolean> {
  const backups = await listBackups(mark.path).catch(() => []);
  const rotated = backups.find((backup) => backup.sequence === mark.sequence);
  if (!(await holds(rotated?.path ?? mark.path, mark))) return false;
  for (const newer of backups) if (newer.sequence > mark.sequence) await unlink(newer.path);
  if (rotated) await rename(rotated.path, mark.path);
  await cut(mark.path, mark.length);
  return true;
}

/** Cuts a file. Its last write, by which its day and its age go, stays what it was. */
async function cut(path: string, length: number): Promise<void> {
  const { atime, mtime } = await stat(path);
  await truncate(path, length);
  await utimes(path, atime, mtime);
}

/** Which rotated files go. */
export interface Surplus {
  /** Numbers from here on are kept. */
  below: number;
  /** So many are kept; 0 for all. */
  keep: number;
  /** Those last written before go, epoch milliseconds. */
  oldest: number;
  /** Look at each. Else only up to the first that is kept: they were written in their order, unless a clock was set or one was touched. */
  all: boolean;
}

/** Deletes rotated files that are too many or too old. */
export async function prune(active: string, { below, keep, oldest, all }: Surplus): Promise<void> {
  const backups = await listBackups(active);
  for (const [index, backup] of backups.entries()) {
    if (backup.sequence >= below) return;
    const tooMany = keep > 0 && backups.length - index > keep;
    if (tooMany || (await stat(backup.path)).mtimeMs < oldest) await unlink(backup.path);
    else if (!all) return;
  }
}

async function holds(path: string, mark: Mark): Promise<boolean> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return false;
  try {
    if ((await file.stat()).size < mark.length) return false;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(mark.length, HEAD_BYTES)), 0, null, 0);
    return headOf(buffer.subarray(0, bytesRead)) === mark.head;
  } finally {
    await file.close();
  }
}

/** `audit.ndjson.gz` → `audit-` and `.ndjson.gz`. */
function affixes(active: string): { prefix: string; suffix: string } {
  const compression = active.endsWith(".gz") ? ".gz" : "";
  const { name, ext } = parse(basename(active, compression));
  return { prefix: `${name}-`, suffix: ext + compression };
}
