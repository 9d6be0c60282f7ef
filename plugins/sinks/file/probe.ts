import { access, constants, open, stat, unlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

const PROBE_BYTES = 64 * 1024;

/** Throws if there is something at `path` that cannot be written. */
export async function tryFile(path: string): Promise<void> {
  const handle = await open(path, "r+").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await handle?.close();
}

/** Throws if nothing can be written into the directory, or it is not there and cannot be made. Leaves everything as it is. */
export async function tryDirectory(directory: string, probe: string): Promise<void> {
  const nearest = await nearestDirectory(directory);
  if (nearest !== directory) return access(nearest, constants.W_OK | constants.X_OK);
  await writeFile(probe, Buffer.alloc(PROBE_BYTES), { mode: 0o600 }).finally(() => unlink(probe).catch(() => {}));
}

/** The directory, or the nearest one above it that is there. */
export async function nearestDirectory(directory: string): Promise<string> {
  let found = directory;
  while (!(await exists(found))) found = dirname(found);
  return found;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      return false;
    },
  );
