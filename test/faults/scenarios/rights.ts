import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let mounting: string | undefined;
let tried = false;

/** Why nothing can be mounted here; undefined if it can. */
export function mayMount(): string | undefined {
  if (!tried) mounting = tryMount();
  tried = true;
  return mounting;
}

/** Why there is no other user to run as; undefined if there is. */
export const mayChangeUser = (): string | undefined =>
  process.getuid?.() === 0 ? undefined : "only root may run the agent as another user";

function tryMount(): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), "auditship-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", directory], { stdio: "pipe" });
    execFileSync("umount", [directory], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `this user may not mount: ${(error as Error).message.trim().split("\n").at(-1)}`;
  } finally {
    rmdirSync(directory);
  }
}
