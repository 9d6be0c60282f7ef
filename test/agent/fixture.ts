import type { SpawnOptions } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { events } from "../../src/simulate/events.js";
import { Program } from "../cli/fixture.js";
import { bundle } from "../support/bundle.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const RULES = join(ROOT, "config", "rules");

/** A log: lines without their newlines. */
export type Lines = readonly string[];

/** The first lines of a simulated log. */
export function simulated(seed: number, count: number): Lines {
  const lines: string[] = [];
  for (const line of events(seed)) if (lines.push(line) === count) return lines;
  return lines;
}

export const text = (lines: Lines) => lines.map((line) => `${line}\n`).join("");

/** Bundles the program once for all tests of a file; gives what starts it in a site. */
export function bundledProgram(): {
  /** The agent. */
  start(site: Site, ...args: string[]): Program;
  /** The agent as a process with these options. */
  startWith(site: Site, options: SpawnOptions): Program;
  /** Any command. */
  command(site: Site, ...args: string[]): Program;
} {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "auditship-bundle-"));
    await bundle(join(directory, "auditship.mjs"));
  });
  afterAll(() => rm(directory, { recursive: true }));
  const spawn = (site: Site, args: string[], options?: SpawnOptions): Program => {
    const program = new Program(args, site.directory, {}, [join(directory, "auditship.mjs")], options);
    onTestFinished(async () => {
      program.child.kill("SIGKILL");
      await program.exited;
    });
    return program;
  };
  const run = ["run", "-c", "auditship.yaml"];
  return {
    command: (site, ...args) => spawn(site, args),
    start: (site, ...args) => spawn(site, [...run, ...args]),
    startWith: (site, options) => spawn(site, run, options),
  };
}

/** A directory with a configuration, a log and archives, gone when the test ends. */
export class Site {
  private constructor(readonly directory: string) {}

  static async make(): Promise<Site> {
    const directory = await mkdtemp(join(tmpdir(), "auditship-agent-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    await mkdir(join(directory, "log"));
    return new Site(directory);
  }

  at(...names: string[]): string {
    return join(this.directory, ...names);
  }

  /** Writes the configuration: one source over log/audit.log, and what is given. */
  async configure(config: { sinks: object } & Record<string, unknown>): Promise<void> {
    const defaults = {
      sources: { apiserver: { path: "log/audit.log" } },
      state: "state",
      stages: ["parse", { workspace: { static: { shop: "team-shop" } } }, "match"],
      rules: { paths: [RULES] },
      observe: { listen: "127.0.0.1:0" },
    };
    await writeFile(this.at("auditship.yaml"), JSON.stringify({ ...defaults, ...config }));
  }

  /** Writes a log as rotation leaves it: a gzipped backup, a plain one, and the active file. */
  async writeLog(lines: Lines): Promise<void> {
    const third = Math.ceil(lines.length / 3);
    const part = (n: number) => text(lines.slice(n * third, (n + 1) * third));
    await writeFile(this.at("log", "audit-2026-01-05T08-00-00.000.log.gz"), gzipSync(part(0), { level: 1 }));
    await writeFile(this.at("log", "audit-2026-01-05T09-00-00.000.log"), part(1));
    await writeFile(this.at("log", "audit.log"), part(2));
  }

  /** Every line of a `file` sink's archive, the rotated files first. */
  async archive(name: string): Promise<string[]> {
    const names = await this.#archives(name);
    names.sort((a, b) => Number(a === name) - Number(b === name) || a.localeCompare(b));
    const contents = names.map(async (file) => {
      const bytes = await readFile(this.at(file));
      return file.endsWith(".gz") && bytes.length > 0 ? gunzipSync(bytes).toString() : bytes.toString();
    });
    return (await Promise.all(contents)).join("").split("\n").slice(0, -1);
  }

  /** Bytes of a `file` sink's archive, the rotated files too; 0 where there is none. */
  async archived(name: string): Promise<number> {
    const names = await this.#archives(name);
    // One may be rotated away between the two looks.
    const sizes = names.map((file) =>
      stat(this.at(file)).then(
        ({ size }) => size,
        () => 0,
      ),
    );
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }

  /** Names of the files of a `file` sink's archive. */
  async #archives(name: string): Promise<string[]> {
    const base = name.split(".")[0];
    const own = (file: string) =>
      file === name || (file.startsWith(`${base}-`) && file.endsWith(name.slice(base.length)));
    return (await readdir(this.directory)).filter(own);
  }
}

/** Where an agent serves its metrics, once it has started. */
export async function started(
  agent: Program,
): Promise<{ page(): Promise<string>; metric(name: string): Promise<Record<string, number>> }> {
  await agent.until(({ err }) => err.includes("Agent started."));
  const line = agent.err.split("\n").find((said) => said.includes("Agent started.")) as string;
  const { metrics } = JSON.parse(line);
  const page = async () => (await fetch(metrics)).text();
  return {
    page,
    /** The series of a metric with their values, by labels as they stand in the page. */
    async metric(name) {
      const series = (await page())
        .split("\n")
        .filter((row) => row.startsWith(`${name}{`) || row.startsWith(`${name} `));
      return Object.fromEntries(
        series.map((row) => [
          row.slice(name.length, row.lastIndexOf(" ")),
          Number(row.slice(row.lastIndexOf(" ") + 1)),
        ]),
      );
    },
  };
}

/** What was added to a line; throws if anything else of it is not as it was. */
export function added(document: string, line: string): { "@timestamp": string; auditship: Record<string, unknown> } {
  const head = line.slice(0, -1);
  if (!document.startsWith(`${head},`)) throw new Error(`not as written: ${document.slice(0, 200)}`);
  return JSON.parse(`{${document.slice(head.length + 1)}`);
}
