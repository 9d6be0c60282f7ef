import { mkdirSync, statSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** For its owner only: what lies there is of audit logs. */
const MODE = 0o700;

/**
 * Makes a directory, and those above it that are not there. Rejects with the system's errors; Node's own `recursive` tries for ever
 * where nothing can be made in a directory that is there (ENOENT below /proc).
 */
export async function makeDirectory(path: string): Promise<void> {
  const isThere = () =>
    stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
  if (await isThere()) return;
  if (dirname(path) !== path) await makeDirectory(dirname(path));
  await mkdir(path, MODE).catch(async (error) => {
    if (!(await isThere())) throw error;
  });
}

/** The same at once. */
export function makeDirectorySync(path: string): void {
  const isThere = () => {
    try {
      return statSync(path).isDirectory();
    } catch {
      return false;
    }
  };
  if (isThere()) return;
  if (dirname(path) !== path) makeDirectorySync(dirname(path));
  try {
    mkdirSync(path, MODE);
  } catch (error) {
    if (!isThere()) throw error;
  }
}
