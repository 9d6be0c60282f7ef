import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditship } from "./program.js";
import { SEARCH_SERVERS } from "./search-server.js";

for (const server of SEARCH_SERVERS) {
  describe.skipIf(!server.url)(`auditship setup, at ${server.name},`, () => {
    const cluster = `e2e-setup-${process.pid}-${Date.now()}`;
    const template = `auditship-audit-${cluster}-daily`;
    let directory: string;
    let config: string;

    beforeAll(() => {
      directory = mkdtempSync(join(tmpdir(), "auditship-setup-"));
      config = join(directory, "auditship.yaml");
      const sinks = {
        archive: { type: "elasticsearch", ...server.sinkOptions(), index: "audit-{cluster}-{date}" },
        copy: { type: "file", path: "copy.ndjson" },
      };
      const sources = { apiserver: { path: "audit.log" } };
      writeFileSync(config, JSON.stringify({ sources, state: "state", cluster, sinks }));
    });
    afterAll(() => rmSync(directory, { recursive: true }));

    const found = async () => {
      const path = `/_index_template/${template}`;
      return (await server.ask<{ index_templates: { name: string; index_template: object }[] }>("GET", path))
        .index_templates;
    };

    it("makes the template, and says what it did for each sink", async () => {
      const told = (await auditship("setup", "-c", config)).trim().split("\n");
      expect(told).toEqual([
        expect.stringMatching(/^archive: lifecycle/),
        `archive: index template ${template} (audit-${cluster}-*): version 1, made`,
        "copy: nothing to set up",
      ]);
      expect(await found()).toMatchObject([
        { name: template, index_template: { index_patterns: [`audit-${cluster}-*`] } },
      ]);
    });

    it("changes nothing when it runs again", async () => {
      const before = await found();
      expect(await auditship("setup", "-c", config)).toContain("version 1, was there");
      expect(await found()).toEqual(before);
    });

    it("prints a template that the server takes as it is", async () => {
      const printed = await auditship("setup", "-c", config, "--print", "--sink", "archive");
      const { version } = await server.ask<{ version: { distribution?: string } }>("GET", "/");
      const title = version.distribution === "opensearch" ? "# OpenSearch\n" : "# Elasticsearch\n";
      const [, request] = printed.slice(printed.indexOf(title)).split("PUT /_index_template/");
      const body = JSON.parse(/^\{.*?\n\}$/ms.exec(request)![0]);
      // This Elasticsearch has no ILM, and refuses its setting.
      body.template.settings.index.lifecycle = undefined;
      expect(request).toMatch(new RegExp(`^${template}\n`));
      expect(await server.ask("PUT", `/_index_template/${template}`, body)).toEqual({ acknowledged: true });
    });

    describe("then auditship retention", () => {
      const daysAgo = (days: number) =>
        new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10).replaceAll("-", ".");
      const old = [20, 9].map((days) => `audit-${cluster}-${daysAgo(days)}`).sort();
      // One day to spare, for a midnight while this runs.
      const kept = [0, 6].map((days) => `audit-${cluster}-${daysAgo(days)}`);
      const foreign = [`audit-${cluster}-${daysAgo(20)}-copy`, `audit-${cluster}-extra-${daysAgo(20)}`];
      const all = [...old, ...kept, ...foreign].sort();
      const left = async () => Object.keys(await server.ask<object>("GET", `/audit-${cluster}-*/_alias`)).sort();

      beforeAll(async () => {
        for (const index of all) await server.ask("PUT", `/${index}`);
      });
      afterAll(async () => {
        for (const index of await left()) await server.ask("DELETE", `/${index}`);
        await server.ask("DELETE", `/_index_template/${template}`);
      });

      it("says what it would delete, and deletes nothing", async () => {
        const told = await auditship("retention", "-c", config, "--sink", "archive", "--dry-run");
        expect(told).toBe(old.map((index) => `archive: would delete ${index}\n`).join(""));
        expect(await left()).toEqual(all);
      });

      it("deletes the days that are too old, a closed one too, and nobody else's", async () => {
        await server.ask("POST", `/${old[0]}/_close`);
        const told = await auditship("retention", "-c", config);
        expect(told).toBe(`${old.map((index) => `archive: deleted ${index}\n`).join("")}copy: nothing to delete\n`);
        expect(await left()).toEqual([...kept, ...foreign].sort());
      });

      it("run again deletes nothing", async () => {
        expect(await auditship("retention", "-c", config, "--sink", "archive")).toBe("archive: nothing to delete\n");
      });
    });
  });
}
