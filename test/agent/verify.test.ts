import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Field, ROW_HEADER } from "../../src/plugin/index.js";
import { Program } from "../cli/fixture.js";
import { bundle } from "../support/bundle.js";
import { Site, simulated } from "./fixture.js";

/** Runs before the program: a compiled scanner that ends the verb of each first row of a call a byte too late. */
const BREAK = `
const { Instance } = WebAssembly;
WebAssembly.Instance = function (module, imports) {
  const { exports } = new Instance(module, imports);
  if (!exports.scan) return { exports };
  const scan = (from, to, rows, ...rest) => {
    const count = exports.scan(from, to, rows, ...rest);
    if (count > 0) new Uint32Array(imports.env.memory.buffer)[(rows >> 2) + ${ROW_HEADER + 2 * Field.verb + 1}]++;
    return count;
  };
  return { exports: { ...exports, scan } };
};`;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-bundle-"));
  await bundle(join(directory, "auditship.mjs"));
});
afterAll(() => rm(directory, { recursive: true }));

/** An agent whose compiled scanner is wrong. */
async function run(env: Record<string, string>): Promise<{ code: number | null; err: string; archived: number }> {
  const site = await Site.make();
  await site.configure({ sinks: { local: { type: "file", path: "archive.ndjson" } } });
  await site.writeLog(simulated(1, 30));
  const node = ["--import", `data:text/javascript,${encodeURIComponent(BREAK)}`, join(directory, "auditship.mjs")];
  const program = new Program(["run", "--once", "-c", "auditship.yaml"], site.directory, env, node);
  const code = await program.exited;
  return { code, err: program.err, archived: (await site.archive("archive.ndjson")).length };
}

describe("an agent whose compiled scanner is wrong", () => {
  it("stops at the first event with AUDITSHIP_VERIFY=1, before anything of it leaves, and says where that is", async () => {
    const { code, err, archived } = await run({ AUDITSHIP_VERIFY: "1", AUDITSHIP_SCANNER: "" });
    expect(err).toMatch(
      /source apiserver, file [\w-]{16}, offset 0: the scanners differ in the end of verb: WebAssembly \d+, TypeScript \d+\. .*\(AUDITSHIP_VERIFY\)/,
    );
    expect([code, archived]).toEqual([1, 0]);
  });

  it("does not notice with AUDITSHIP_SCANNER=typescript", async () => {
    const { code, err, archived } = await run({ AUDITSHIP_VERIFY: "", AUDITSHIP_SCANNER: "typescript" });
    expect(err).not.toContain("differ");
    expect([code, archived]).toEqual([0, 30]);
  });
});
