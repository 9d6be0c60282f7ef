import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Program } from "./fixture.js";

let directory: string;
let program: Program | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-quickstart-"));
});

afterEach(async () => {
  program?.child.kill("SIGKILL");
  await program?.exited;
  await rm(directory, { recursive: true });
});

async function watch(): Promise<Program> {
  program = new Program(["quickstart", "--rate", "200"], directory, { AUDITSHIP_PORT: "0" });
  await program.until(({ out, err }) => out.split("\n").length > 2 && err.includes("metrics     http://127.0.0.1:"));
  return program;
}

describe("quickstart", () => {
  it("shows alerts of a simulated log, says where everything is, stops on Ctrl-C and resumes", async () => {
    const first = await watch();
    for (const name of ["audit/audit.log", "archive/audit.ndjson", "state"])
      expect(first.err).toContain(`.auditship/${name}`);
    expect(first.out.split("\n")[0]).toMatch(/^\S+Z WARNING \w+: .+ — .+ → \d+/);
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
});
