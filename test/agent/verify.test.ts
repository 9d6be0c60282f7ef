import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Field, ROW_HEADER } from "../../src/plugin/index.js";
import { Program } from "../cli/fixture.js";
import { bundle } from "../support/bundle.js";
import { Site, simulated } from "./fixture.js";

/** Runs before the program: what `wrong` makes of the compiled scanner's `exports`, which has their `memory`. */
const breaking = (wrong: string) => `
const { Instance } = WebAssembly;
WebAssembly.Instance = function (module, imports) {
  const { exports } = new Instance(module, imports);
  const { memory } = imports.env ?? {};
  return { exports: exports.scan ? { ...exports, ...(${wrong}) } : exports };
};`;

/** Ends the verb of each first row of a call a byte too late. */
const WRONG_VERB = breaking(`{
  scan(from, to, rows, ...rest) {
    const count = exports.scan(from, to, rows, ...rest);
    if (count > 0) new Uint32Array(memory.buffer)[(rows >> 2) + ${ROW_HEADER + 2 * Field.verb + 1}]++;
    return count;
  },
}`);
/** Takes all rows for alike: the stage `match` asks for kinds, and is not required. */
const WRONG_KINDS = breaking(`{
  kinds(likeness, rows, numbers, latencies, count, out) {
    new Uint16Array(memory.buffer, out, count).fill(1);
  },
}`);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-bundle-"));
  await bundle(join(directory, "auditship.mjs"));
});
afterAll(() => rm(directory, { recursive: true }));

/** An agent whose compiled scanner is wrong. */
async function run(
  env: Record<string, string>,
  broken = WRONG_VERB,
): Promise<{ code: number | null; err: string; archived: number }> {
  const site = await Site.make();
  await site.configure({ sinks: { local: { type: "file", path: "archive.ndjson" } } });
  await site.writeLog(simulated(1, 30));
  const node = ["--import", `data:text/javascript,${encodeURIComponent(broken)}`, join(directory, "auditship.mjs")];
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

  it("does so, too, where a stage found it that can be left out", async () => {
    const { code, err, archived } = await run({ AUDITSHIP_VERIFY: "1", AUDITSHIP_SCANNER: "" }, WRONG_KINDS);
    expect(err).toMatch(
      /source apiserver, file [\w-]{16}, offset \d+: the scanners differ in the kind: WebAssembly 1, TypeScript another\. .*\(AUDITSHIP_VERIFY\)/,
    );
    expect([code, archived]).toEqual([1, 0]);
  });

  it("does not notice with AUDITSHIP_SCANNER=typescript", async () => {
    const { code, err, archived } = await run({ AUDITSHIP_VERIFY: "", AUDITSHIP_SCANNER: "typescript" });
    expect(err).not.toContain("differ");
    expect([code, archived]).toEqual([0, 30]);
  });
});
