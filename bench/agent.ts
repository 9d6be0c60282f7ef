import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSink, stopSinks } from "./null-sinks.js";
import { configOf } from "./ship.js";

/** An agent that follows a log, which is empty at first, to a `_bulk` endpoint that takes everything. */
export interface Follower {
  /** The log that it follows. */
  path: string;
  /** The endpoint. */
  url: string;
  pid: number;
}

/** Has such an agent, with the rule pack, redaction and checkpoints, for as long as `work` takes. */
export async function withFollower(name: string, work: (follower: Follower) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), `auditship-bench-${name}-`));
  const path = join(directory, "log", "audit.log");
  mkdirSync(join(directory, "log"));
  writeFileSync(path, "");
  const { url } = await startSink();
  const agent = await startAgent(directory, { ...configOf(path, "state", { url }), observe: { listen: "none" } });
  try {
    await work({ path, url, pid: agent.pid! });
  } finally {
    agent.kill();
    await once(agent, "exit");
    stopSinks();
    rmSync(directory, { recursive: true });
  }
}

/** Runs the program with a configuration, in a directory that its relative paths are in; resolves once it has started. */
export async function startAgent(directory: string, config: object): Promise<ChildProcess> {
  writeFileSync(join(directory, "auditship.yaml"), JSON.stringify(config));
  const program = join(import.meta.dirname, "../dist/auditship.js");
  const agent = spawn(process.execPath, [program, "run", "-c", "auditship.yaml"], {
    cwd: directory,
    stdio: ["ignore", "ignore", "pipe"],
  });
  for await (const data of agent.stderr!) if (String(data).includes("Agent started.")) break;
  agent.stderr!.resume();
  return agent;
}
