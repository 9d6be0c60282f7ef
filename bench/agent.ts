import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

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
