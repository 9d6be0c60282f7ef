import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** Makes what was done to the names in a directory (files made, renamed, removed) durable. Rejects with the system's errors. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
