import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, vi } from "vitest";
import { main } from "../../src/cli/index.js";

const entry = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const fromSource = ["--import", import.meta.resolve("tsx"), entry];

/** Runs commands in this process, in a directory of the test's own; catches what they print. */
export function commandLine() {
  const cli = {
    directory: "",
    out: "",
    err: "",
    path: (name: string) => join(cli.directory, name),
    run: (...args: string[]) => main(["node", "auditship", ...args]),
  };
  beforeEach(async () => {
    cli.directory = await mkdtemp(join(tmpdir(), "auditship-cli-"));
    [cli.out, cli.err] = ["", ""];
    catchWrites(process.stdout, (text) => {
      cli.out += text;
    });
    catchWrites(process.stderr, (text) => {
      cli.err += text;
    });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await rm(cli.directory, { recursive: true });
  });
  return cli;
}

function catchWrites(stream: NodeJS.WriteStream, take: (text: string) => void): void {
  vi.spyOn(stream, "write").mockImplementation((chunk, ...rest) => {
    take(String(chunk));
    const done = rest.find((argument) => typeof argument === "function") as (() => void) | undefined;
    done?.();
    return true;
  });
}

/** The program in a process of its own. */
export class Program {
  out = "";
  err = "";
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  #heard = () => {};
  #running = true;

  /**
   * @param program how Node.js starts it: from source, which takes a second, or a bundle
   * @param options of the process, such as its user
   */
  constructor(
    args: string[],
    cwd: string,
    env: Record<string, string> = {},
    program = fromSource,
    options: SpawnOptions = {},
  ) {
    const spawned = { ...options, cwd, env: { ...process.env, ...env } };
    this.child = spawn(process.execPath, [...program, ...args], spawned);
    this.child.stdout?.on("data", (data) => {
      this.out += data;
      this.#heard();
    });
    this.child.stderr?.on("data", (data) => {
      this.err += data;
      this.#heard();
    });
    this.exited = once(this.child, "close").then(([code]) => {
      this.#running = false;
      this.#heard();
      return code as number | null;
    });
  }

  /** Resolves when what it has printed satisfies `condition`; rejects if it exits before. */
  async until(condition: (program: Program) => boolean): Promise<void> {
    while (!condition(this)) {
      if (!this.#running) throw new Error(`it ended before: ${this.out}${this.err}`);
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }
}
