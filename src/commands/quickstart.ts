import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { AuditshipError } from "../plugin/index.js";
import { runService } from "./run.js";

/** Under the current directory. */
const DIRECTORY = ".auditship";
const USUAL_PORT = "9110";
const CONFIG = join("config", "quickstart.yaml");

/**
 * A simulated cluster's log, written by a child process, and an agent on it. Both end on Ctrl-C; the next start resumes.
 * @param rate simulated events per second
 */
export async function quickstart(directory: string, rate: number): Promise<boolean> {
  const home = join(directory, DIRECTORY);
  const simulator = simulate(join(home, "audit", "audit.log"), rate);
  try {
    return await onFreePort((port) =>
      runService(join(packageDirectory(), CONFIG), {
        env: { AUDITSHIP_PORT: port, ...process.env, AUDITSHIP_HOME: home },
        onStarted: (agent) => process.stderr.write(whereIsWhat(agent.observeUrl)),
      }),
    );
  } finally {
    simulator.kill("SIGTERM");
  }
}

function simulate(path: string, rate: number): ChildProcess {
  const args = [
    "simulate",
    "--path",
    path,
    "--rate",
    String(rate),
    "--max-size",
    "5MiB",
    "--max-backups",
    "5",
    "--compress",
  ];
  // The channel tells the child when this process is gone, however it went.
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1], ...args], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  child.on("error", (cause) => process.stderr.write(`auditship: cannot start the simulator: ${cause.message}\n`));
  return child;
}

/** On the usual port, or a free one if somebody else has that: a newcomer should see it work. */
async function onFreePort<Result>(run: (port: string) => Promise<Result>): Promise<Result> {
  try {
    return await run(USUAL_PORT);
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    if (cause?.code !== "EADDRINUSE") throw error;
    return run("0");
  }
}

function whereIsWhat(observeUrl: string | undefined): string {
  return `
  auditship reads a simulated audit log and shows what its rules match. Ctrl-C stops it; the next start resumes.

    audit log   ${DIRECTORY}/audit/audit.log
    archive     ${DIRECTORY}/archive/audit.ndjson
    state       ${DIRECTORY}/state
    metrics     ${observeUrl ? `${observeUrl}/metrics` : "off"}

`;
}

/** The package's root: the nearest directory above this file that holds the configuration. */
function packageDirectory(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, CONFIG))) {
    if (directory === dirname(directory)) {
      throw new AuditshipError(
        "AUDITSHIP_CONFIG_READ",
        `${CONFIG} is not beside the program; install the whole package.`,
      );
    }
    directory = dirname(directory);
  }
  return directory;
}
