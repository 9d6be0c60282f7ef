import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.js";

const path = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url));

describe("the configurations that come with auditship", () => {
  it("quickstart.yaml keeps everything under AUDITSHIP_HOME", async () => {
    const home = "/home/somebody/.auditship";
    const loaded = await loadConfig(path("config/quickstart.yaml"), { env: { AUDITSHIP_HOME: home } });
    expect(loaded.config.state).toBe(`${home}/state`);
    expect(loaded.config.rules.paths).toEqual([path("config/rules")]);
    expect(loaded.sources.map(({ options }) => options.path)).toEqual([`${home}/audit/audit.log`]);
    expect(loaded.stages.map(({ name }) => name)).toEqual(["parse", "workspace", "match", "redact"]);
    expect(loaded.sinks.map(({ name, plugin, common }) => [name, plugin.name, common.select])).toEqual([
      ["archive", "file", "all"],
      ["terminal", "stdout", "alerting"],
    ]);
    expect(loaded.sinks[0].options).toMatchObject({ path: `${home}/archive/audit.ndjson` });
  });

  it("quickstart.yaml falls back to .auditship of the package's directory", async () => {
    const loaded = await loadConfig(path("config/quickstart.yaml"), { env: {} });
    expect(loaded.config.state).toBe(path(".auditship/state"));
  });

  it("production.yaml needs no more than the node's name", async () => {
    const loaded = await loadConfig(path("config/production.yaml"), { env: { NODE_NAME: "control-1" } });
    expect(loaded.config.node).toBe("control-1");
    expect(loaded.config.rules.paths).toEqual([path("config/rules")]);
    expect(loaded.sinks.map(({ name, plugin, common }) => [name, plugin.name, common.select])).toEqual([
      ["archive", "elasticsearch", "all"],
      ["pager", "alertmanager", "alerting"],
      ["local", "file", "archived"],
    ]);
  });

  it("the DaemonSet's needs no more than the node's name", async () => {
    const loaded = await loadConfig(path("daemonset/base/auditship.yaml"), { env: { NODE_NAME: "control-1" } });
    expect(loaded.config.node).toBe("control-1");
    expect(loaded.stages.map(({ name }) => name)).toEqual(["parse", "workspace", "match", "redact"]);
  });

  it("the DaemonSet's ConfigMap of rules holds every file of the pack", () => {
    const { configMapGenerator } = parse(readFileSync(path("config/kustomization.yaml"), "utf8"));
    const files = readdirSync(path("config/rules")).map((file) => `rules/${file}`);
    expect(configMapGenerator[0].files.sort()).toEqual(files.sort());
  });

  it("production.yaml says which variable is missing, and where", async () => {
    const refused = loadConfig(path("config/production.yaml"), { env: {} });
    await expect(refused).rejects.toThrow(/NODE_NAME is not set/);
  });
});
