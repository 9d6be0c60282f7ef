import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.js";
import { configSchema } from "../../src/config/schema.js";
import { blocks, pages, ROOT } from "./pages.js";

/** What a part of a configuration leaves out. */
const REST = {
  sources: { apiserver: { path: "audit.log" } },
  sinks: { archive: { type: "file", path: "archive.ndjson" } },
};

/** The blocks of a page that are (a part of) a configuration, by their keys. */
const configurations = (page: string) =>
  blocks(page, "yaml")
    .map((text) => parse(text) as object)
    .filter((value) => Object.keys(value).every((key) => key in configSchema.shape));

const shown = pages().flatMap((page) =>
  configurations(page).map((value, index) => ({ page, value, number: index + 1 })),
);

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-docs-"));
  // The plugins that pages show, or lie beside.
  for (const text of pages().flatMap((page) => blocks(page, "js"))) {
    const name = /^ {2}name: "(.+)",$/m.exec(text)?.[1];
    if (name) await writeFile(join(directory, `${name}.mjs`), text);
  }
  for (const page of pages("examples")) {
    await cp(join(ROOT, dirname(page)), directory, { recursive: true, filter: (path) => !path.endsWith(".md") });
  }
});

afterAll(() => rm(directory, { recursive: true }));

describe("the configurations that the pages show", () => {
  it("are found", () => {
    expect(shown.length).toBeGreaterThan(15);
  });

  it.each(shown)("load: number $number of $page", async ({ page, value, number }) => {
    const file = join(directory, `${page.replaceAll("/", "-")}-${number}.yaml`);
    await writeFile(file, JSON.stringify({ ...REST, ...value }));
    await loadConfig(file);
  });
});
