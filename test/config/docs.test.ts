import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { keysOf, pluginOptions, render } from "../../scripts/docs.js";
import { configSchema, sinkSchema, sourceSchema } from "../../src/config/schema.js";
import { METRICS } from "../../src/observe/metrics.js";
import { ERRORS } from "../../src/plugin/error.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const committed = (path: string) => readFile(join(root, path), "utf8");
const files = await render();

describe("the generated pages", () => {
  it.each([...files])("%s is what `npm run docs` gives", async (path, text) => {
    expect(await committed(path)).toBe(text);
  });

  it("name every error code", async () => {
    const page = await committed("docs/errors.md");
    for (const code of Object.keys(ERRORS)) expect(page).toContain(`| \`${code}\` |`);
  });

  it("name no error code that nothing reports", () => {
    const texts = ["src", "plugins"]
      .flatMap((room) =>
        readdirSync(join(root, room), { recursive: true, encoding: "utf8" }).map((name) => join(room, name)),
      )
      .filter((path) => path.endsWith(".ts") && path !== "src/plugin/error.ts")
      .map((path) => readFileSync(join(root, path), "utf8"));
    const silent = Object.keys(ERRORS).filter((code) => !texts.some((text) => text.includes(`"${code}"`)));
    expect(silent).toEqual([]);
  });

  it("name every metric", async () => {
    const page = await committed("docs/metrics.md");
    for (const name of Object.keys(METRICS)) expect(page).toContain(`| \`${name}\` |`);
  });
});

describe("every key of the configuration", () => {
  it("of the host has a description", () => {
    const keys = [configSchema, sourceSchema, sinkSchema].flatMap((schema) => keysOf(schema));
    expect(keys.filter(({ description }) => !description).map(({ path }) => path)).toEqual([]);
  });

  it("of a built-in plugin has a description", async () => {
    for (const { plugin, options } of await pluginOptions()) {
      const silent = keysOf(options).filter(({ description }) => !description);
      expect(silent.map(({ path }) => `${plugin.name}: ${path}`)).toEqual([]);
    }
  });
});

describe("the JSON Schema", () => {
  it("offers the built-in types of sinks with their own keys", () => {
    const schema = JSON.parse(files.get("config/schema.json") as string);
    const sinks = schema.properties.sinks.additionalProperties.anyOf;
    const types = sinks.map((sink: { properties: { type: { const?: string } } }) => sink.properties.type.const);
    expect(types).toEqual(["elasticsearch", "alertmanager", "webhook", "file", "stdout", undefined]);
    expect(Object.keys(sinks[0].properties)).toEqual(expect.arrayContaining(["urls", "index", "select", "request"]));
  });
});
