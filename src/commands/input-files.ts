import { closeSync, type Dirent, openSync, readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { AuditshipError } from "../plugin/index.js";

/** The files of a directory that are taken for audit logs. */
const LOG_FILE = /\.(log|json|jsonl|ndjson)(\.gz)?$/;
/** Files of a log that are open at once, its newest: those that rotation renames and compresses. */
const MOST_OPEN = 1000;
/** So many listings in a row may differ before the files are taken as they are. */
const MOST_LISTINGS = 20;

/** A file that a command reads. */
export interface InputFile {
  readonly name: string;
  /** Of a log's file: rotation may rename, compress or delete it before its turn comes. */
  readonly descriptor?: number;
}

/**
 * The files that were named, and those of the directories that were: audit logs, by name, which is the order of a rotated log
 * (`audit-<time>.log` stands before `audit.log`). A `.gz` whose plain file is still there is left out: they are one.
 * @throws AuditshipError AUDITSHIP_INPUT for a directory that cannot be read, or holds none
 */
export async function inputFiles(names: readonly string[]): Promise<InputFile[]> {
  const files: InputFile[] = [];
  for (const name of names) files.push(...((await isDirectory(name)) ? openLog(() => logsIn(name)) : [{ name }]));
  return files;
}

/** Opens the files of a log between two listings that agree, so that rotation hides none. */
export function openLog(list: () => readonly string[]): InputFile[] {
  let names = list();
  for (let attempt = 1; ; attempt++) {
    const files = open(names, attempt < MOST_LISTINGS);
    const after = list();
    const settled = files.length === names.length && after.join("\0") === names.join("\0");
    if (settled || attempt === MOST_LISTINGS) return files;
    close(files);
    names = after;
  }
}

/** @param lenient files that are not there are left out */
function open(names: readonly string[], lenient: boolean): InputFile[] {
  const older = names.slice(0, -MOST_OPEN);
  const files: InputFile[] = older.map((name) => ({ name }));
  for (const name of names.slice(older.length)) {
    try {
      files.push({ name, descriptor: openSync(name, "r") });
    } catch (cause) {
      if (lenient && (cause as NodeJS.ErrnoException).code === "ENOENT") continue;
      close(files);
      throw unreadable(name, cause);
    }
  }
  return files;
}

function close(files: readonly InputFile[]): void {
  for (const { descriptor } of files) if (descriptor !== undefined) closeSync(descriptor);
}

function logsIn(directory: string): string[] {
  const entries = entriesOf(directory);
  // A pipe would be waited for.
  const found = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
  const names = new Set(found.map(({ name }) => name));
  const logs = [...names]
    .filter((name) => LOG_FILE.test(name) && !name.startsWith("."))
    .filter((name) => !name.endsWith(".gz") || !names.has(name.slice(0, -".gz".length)));
  if (logs.length > 0) return logs.sort().map((name) => join(directory, name));
  const message =
    "holds no audit log: no file whose name ends in .log, .json, .jsonl or .ndjson, or in one of them and .gz.";
  throw new AuditshipError("AUDITSHIP_INPUT", message, { file: directory });
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (cause) {
    throw unreadable(directory, cause);
  }
}

/** An input that cannot be read, and why. */
export function unreadable(name: string, cause: unknown): AuditshipError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a directory" : message;
  return new AuditshipError("AUDITSHIP_INPUT", `cannot be read: ${why}.`, { file: name }, { cause });
}

/** What cannot be looked at is left to whoever opens it. */
async function isDirectory(name: string): Promise<boolean> {
  return (
    name !== "-" &&
    (await stat(name).then(
      (found) => found.isDirectory(),
      () => false,
    ))
  );
}
