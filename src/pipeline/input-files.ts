import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** The files of a directory that are taken for audit logs. */
const LOG_FILE = /\.(log|json|jsonl|ndjson)(\.gz)?$/;

/**
 * The files that were named, and those of the directories that were: audit logs, by name, which is the order of a rotated log
 * (`audit-<time>.log` stands before `audit.log`). A `.gz` whose plain file is still there is left out: they are one.
 */
export async function inputFiles(names: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const name of names) files.push(...((await isDirectory(name)) ? await logsIn(name) : [name]));
  return files;
}

async function logsIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = new Set(entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name));
  return [...names]
    .filter((name) => LOG_FILE.test(name) && !name.startsWith("."))
    .filter((name) => !name.endsWith(".gz") || !names.has(name.slice(0, -".gz".length)))
    .sort()
    .map((name) => join(directory, name));
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
