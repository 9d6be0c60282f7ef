import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "../plugin/index.js";

/** Writes a file anew, whole or not at all. */
export async function replaceFile(path: string, content: string): Promise<void> {
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(dirname(path));
}
