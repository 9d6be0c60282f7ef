import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditship } from "./program.js";
import { SEARCH_SERVERS } from "./search-server.js";

for (const server of SEARCH_SERVERS) {
  describe.skipIf(!server.url)(`auditship setup, at ${server.name},`, () => {
    const cluster = `e2e-setup-${process.pid}-${Date.now()}`;
    const template = `auditship-audit-${cluster}`;
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
  });
}
