import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Program } from "./fixture.js";

let directory: string;
const programs: Program[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-quickstart-"));
});

afterEach(async () => {
  for (const { child } of programs) child.kill("SIGKILL");
  await Promise.all(programs.splice(0).map(({ exited }) => exited));
  await rm(directory, { recursive: true });
});

function start(where: string, env: Record<string, string> = {}): Program {
  const program = new Program(["quickstart", "--rate", "200"], where, env);
  programs.push(program);
  return program;
}

async function watch(): Promise<Program> {
  const program = start(directory, { AUDITSHIP_PORT: "0" });
  await program.until(({ out, err }) => out.split("\n").length > 2 && err.includes("metrics     http://127.0.0.1:"));
  return program;
}

describe("quickstart", () => {
  it("shows alerts of a simulated log, says where everything is, stops on Ctrl-C and resumes", async () => {
    const first = await watch();
    for (const name of ["audit/audit.log", "archive/audit.ndjson", "state"])
      expect(first.err).toContain(`.auditship/${name}`);
    expect(first.out.split("\n")[0]).toMatch(/^\S+Z WARNING \w+: .+ — .+ → \d+/);
    expect(first.err).not.toContain('"level"');
    first.child.kill("SIGINT");
    expect(await first.exited).toBe(0);
    const second = await watch();
    second.child.kill("SIGINT");
    expect(await second.exited).toBe(0);
    const archive = (await readFile(join(directory, ".auditship/archive/audit.ndjson"), "utf8")).trim().split("\n");
    const places = archive.map((line) => JSON.parse(line).auditship).map(({ file, offset }) => `${file}:${offset}`);
    expect(new Set(places).size).toBe(places.length);
    expect(places.length).toBeGreaterThan(2);
  });

  it("takes no rate that is none: nothing would be simulated", async () => {
    const program = new Program(["quickstart", "--rate", "many"], directory);
    programs.push(program);
    expect(await program.exited).toBe(2);
    expect(program.err).toContain("option '--rate <n>' argument 'many' is invalid. It must be a number");
  });

  it("takes a free port where another one has the usual one", async () => {
    const homes = [join(directory, "one"), join(directory, "two")];
    const metrics = await Promise.all(
      homes.map(async (home) => {
        await mkdir(home);
        const program = start(home);
        await program.until(({ err }) => err.includes("metrics     http://127.0.0.1:"));
        return /metrics {5}(\S+)/.exec(program.err)?.[1];
      }),
    );
    expect(new Set(metrics).size).toBe(2);
  });
});
