import { readFileSync } from "node:fs";
import { Program } from "../cli/fixture.js";

export interface AgentOptions {
  env?: Record<string, string>;
  /** User id to run as. */
  uid?: number;
}

/** The agent as a process of its own. */
export class Agent {
  readonly program: Program;
  #metrics = "";
  #peak = 0;

  /** @param entry the built program */
  constructor(entry: string, directory: string, { env = {}, uid }: AgentOptions = {}) {
    const options = uid === undefined ? {} : { uid, gid: uid };
    this.program = new Program(["run", "-c", "auditship.yaml"], directory, env, [entry], options);
    // A scenario that takes too long is left where it is; its agent must not outlive the tests.
    const kill = () => this.program.child.kill("SIGKILL");
    process.once("exit", kill);
    void this.program.exited.then(() => process.off("exit", kill));
  }

  get pid(): number {
    return this.program.child.pid!;
  }

  /** Its log so far: pino's lines. */
  get log(): string {
    return this.program.err;
  }

  /** Resolves when it says that it runs; rejects if it ends before. */
  async started(): Promise<this> {
    await this.program.until(({ err }) => err.includes('"msg":"Agent started."'));
    const line = this.log.split("\n").find((said) => said.includes('"msg":"Agent started."'))!;
    this.#metrics = JSON.parse(line).metrics;
    return this;
  }

  /** Resolves when it has said so. */
  async says(text: string): Promise<void> {
    await this.program.until(({ err }) => err.includes(text));
  }

  /** Series with their values now: `name{labels}`. */
  async metrics(): Promise<Map<string, number>> {
    const page = await (await fetch(this.#metrics)).text();
    const series = page.split("\n").filter((row) => row !== "" && !row.startsWith("#"));
    return new Map(
      series.map((row) => {
        const end = row.lastIndexOf(" ");
        return [row.slice(0, end), Number(row.slice(end + 1).replace("+Inf", "Infinity"))];
      }),
    );
  }

  /** Sum of the series of a metric with these labels. */
  async metric(name: string, labels: Record<string, string> = {}): Promise<number> {
    return sumOf(await this.metrics(), name, labels);
  }

  /** Most memory that it ever had in use, MiB, as far as it was asked while it ran. */
  get peak(): number {
    try {
      const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
      this.#peak = Math.max(this.#peak, Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024);
    } catch {
      // It has ended.
    }
    return this.#peak;
  }

  /** Resolves to its exit code, null if a signal ended it. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    this.peak;
    this.program.child.kill(signal);
    return this.program.exited;
  }
}

/** Sum of the series of a metric that have these labels. */
export function sumOf(metrics: Map<string, number>, name: string, labels: Record<string, string> = {}): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  let sum = 0;
  for (const [series, value] of metrics) {
    const named = series === name || series.startsWith(`${name}{`);
    if (named && wanted.every((label) => series.includes(label))) sum += value;
  }
  return sum;
}
