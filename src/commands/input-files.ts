import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { AuditshipError } from "../plugin/index.js";

/** The files of a directory that are taken for audit logs. */
const LOG_FILE = /\.(log|json|jsonl|ndjson)(\.gz)?$/;

/**
 * The files that were named, and those of the directories that were: audit logs, by name, which is the order of a rotated log
 * (`audit-<time>.log` stands before `audit.log`). A `.gz` whose plain file is still there is left out: they are one.
 * @throws AuditshipError AUDITSHIP_INPUT for a directory that cannot be read, or holds none
 */
export async function inputFiles(names: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const name of names) files.push(...((await isDirectory(name)) ? await logsIn(name) : [name]));
  return files;
}

async function logsIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause) => {
    throw unreadable(directory, cause);
  });
  const names = new Set(entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name));
  const logs = [...names]
    .filter((name) => LOG_FILE.test(name) && !name.startsWith("."))
    .filter((name) => !name.endsWith(".gz") || !names.has(name.slice(0, -".gz".length)));
  if (logs.length > 0) return logs.sort().map((name) => join(directory, name));
  const message =
    "holds no audit log: no file whose name ends in .log, .json, .jsonl or .ndjson, or in one of them and .gz.";
  throw new AuditshipError("AUDITSHIP_INPUT", message, { file: directory });
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
