import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** As it is built and as users run it. */
const ENTRY = fileURLToPath(new URL("../../dist/auditship.js", import.meta.url));

/** What a command prints on stdout. Rejects, with all that it printed, unless it ends with 0. */
export const auditship = async (...args: string[]): Promise<string> => (await printed(...args)).stdout;

/** All that a command prints; likewise. */
export async function printed(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  try {
    return await promisify(execFile)(process.execPath, [ENTRY, ...args], { maxBuffer: 2 ** 30 });
  } catch (error) {
    const { message, stdout } = error as Error & { stdout: string };
    throw new Error(`${message}\n${stdout.slice(0, 2000)}`);
  }
}

/** An agent that runs. */
export class Agent {
  /** Its log. */
  log = "";
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown[]>;

  constructor(config: string) {
    this.#child = spawn(process.execPath, [ENTRY, "run", "-c", config], { stdio: ["ignore", "inherit", "pipe"] });
    this.#child.stderr?.on("data", (data) => {
      this.log += data;
    });
    this.#exited = once(this.#child, "close");
  }

  /** Most memory that it had in use so far, MiB. */
  peak(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
  }

  /** Resolves to its exit code, null if a signal ended it. */
  async stop(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    this.#child.kill(signal);
    const [code] = await this.#exited;
    return code as number | null;
  }
}
