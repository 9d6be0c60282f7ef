import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/** Directory of the scripts that start real servers, for tests that start, kill or restart one of their own. */
export const SCRIPTS = process.env.AUDITSHIP_TEST_SERVERS;

export type Script = "elasticsearch-up" | "opensearch-up" | "alertmanager-up" | "kube-up";

/**
 * Runs a script. @param env what names the server (`NAME`, `PORT`, …) and sets it up, beside this process's environment
 * @returns the last line that it printed: the server's address, where it started one
 */
export async function script(name: Script, env: Record<string, string>, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(join(SCRIPTS!, name), args, {
    env: { ...process.env, ...env },
    timeout: 280_000,
  });
  return stdout.trim().split("\n").at(-1)!;
}

/** Where the scripts keep what belongs to a search server of this name: `pid`, `config`, `logs`. */
export function nodeDirectory(name: string): string {
  const { AUDITSHIP_TEST_CACHE, XDG_CACHE_HOME } = process.env;
  const cache = AUDITSHIP_TEST_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "auditship-test");
  return join(cache, "nodes", name);
}

/** Ends a search server of this name as a crash would; resolves when it is gone, and its port free. */
export async function killNode(name: string): Promise<void> {
  const pid = Number(readFileSync(join(nodeDirectory(name), "pid"), "utf8"));
  process.kill(pid, "SIGKILL");
  while (isAlive(pid)) await sleep(20);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
