import { readdir, readFile, writeFile } from "node:fs/promises";
import { expect, it, vi } from "vitest";
import { canaryLines, leaks, PLACE_NAMES } from "../support/canaries.js";
import { bundledProgram, Site, text } from "./fixture.js";

const program = bundledProgram();

/** A stage before `redact`, which sees what is planted and quotes it. */
const stage = (crash: string) => `export default {
  kind: "stage",
  name: "crashing",
  annotates: [],
  options: (zod) => zod.strictObject({}),
  create: (options, host) => ({
    run(batch) {
      const field = host.field("requestObject");
      const texts = Array.from({ length: batch.count }, (_, row) => batch.at(row).text(field) ?? "");
      const text = texts.find((text) => text.includes("PlantedCanary")) ?? "";
      const quote = () => { throw new SyntaxError(\`cannot read \${text}\`); };
      ${crash};
    },
  }),
};
`;

const REJECTION = "void Promise.reject(Object.assign(new Error(text), { body: text, cause: new Error(text) }))";
const OUT_OF_MEMORY = "for (const all = [text]; ; ) all.push([...all.at(-1), text])";

it.each([
  { what: "a stage that fails", crash: "quote()", code: 0 },
  { what: "an exception that nobody catches", crash: "setImmediate(quote)", code: 1 },
  {
    what: "the same with Node's report",
    crash: "setImmediate(quote)",
    code: 1,
    options: "--report-uncaught-exception",
  },
  { what: "a rejection that nobody handles", crash: REJECTION, code: 1 },
  { what: "a text that is thrown", crash: "setImmediate(() => { throw text; })", code: 1 },
  {
    what: "the end of all memory, with Node's report",
    crash: OUT_OF_MEMORY,
    code: null,
    options: "--max-old-space-size=96 --report-on-fatalerror",
  },
])(
  "quotes no event: $what",
  async ({ crash, code, options }) => {
    const site = await Site.make();
    const seed = Math.floor(Math.random() * 2 ** 31);
    const lines = [...canaryLines(seed, 2 * PLACE_NAMES.length)];
    expect(leaks(text(lines)).length).toBeGreaterThan(10);
    await site.writeLog(lines);
    await writeFile(site.at("crashing.mjs"), stage(crash));
    await site.configure({
      rules: { paths: [] },
      stages: ["parse", { "./crashing.mjs": {} }, "redact"],
      sinks: { local: { type: "file", path: "archive.ndjson" } },
      observe: { listen: "127.0.0.1:0", log: "debug" },
    });
    if (options) vi.stubEnv("NODE_OPTIONS", `${options} --report-directory=${site.directory}`);
    const agent = program.start(site, "--once");
    vi.unstubAllEnvs();
    expect(await agent.exited, agent.err).toBe(code);
    if (code !== null) expect(agent.err).toMatch(/A stage failed|The agent crashed/);

    const reports = (await readdir(site.directory)).filter((name) => /^report\..*\.json$/.test(name));
    expect(reports).toHaveLength(code === null ? 1 : 0);
    const said = await Promise.all(reports.map((name) => readFile(site.at(name), "utf8")));
    expect(leaks([agent.out, agent.err, ...said].join("\n")), `seed ${seed}`).toEqual([]);
  },
  60_000,
);
