import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditship } from "./program.js";
import { SEARCH_SERVERS } from "./search-server.js";

const DAY = 24 * 60 * 60 * 1000;

for (const server of SEARCH_SERVERS) {
  describe.skipIf(!server.url)(`auditship retention, at ${server.name},`, () => {
    const prefix = `audit-e2e-retention-${process.pid}-${Date.now()}-`;
    const dayBefore = (days: number) =>
      new Date(Date.now() - days * DAY).toISOString().slice(0, 10).replaceAll("-", ".");
    const old = [30, 10].map((days) => prefix + dayBefore(days));
    const kept = [2, 0].map((days) => prefix + dayBefore(days));
    const theirs = [`${prefix}${dayBefore(30)}.bak`, `${prefix}policy`, `my-${prefix}${dayBefore(30)}`];
    const alias = prefix + dayBefore(20);
    let directory: string;
    let config: string;

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), "auditship-retention-"));
      config = join(directory, "auditship.yaml");
      const archive = { type: "elasticsearch", ...server.sinkOptions(), index: `${prefix}{date}`, retention: "7d" };
      const sources = { apiserver: { path: "audit.log" } };
      writeFileSync(config, JSON.stringify({ sources, state: "state", sinks: { archive } }));
      for (const index of [...old, ...kept, ...theirs]) await server.ask("PUT", `/${index}`);
      await server.ask("PUT", `/${theirs[1]}/_alias/${alias}`);
    });
    afterAll(async () => {
      for (const index of [...kept, ...theirs]) await server.ask("DELETE", `/${index}`);
      rmSync(directory, { recursive: true });
    });

    const there = async () => {
      const indices = await server.ask<{ index: string }[]>("GET", `/_cat/indices/*${prefix}*?format=json`);
      return indices.map(({ index }) => index).sort();
    };

    it("says in a dry run what it would delete, and deletes nothing", async () => {
      const told = await auditship("retention", "-c", config, "--dry-run");
      expect(told.trim().split("\n").slice(0, 2)).toEqual(old.map((index) => `archive: would delete ${index}`));
      expect(await there()).toEqual([...old, ...kept, ...theirs].sort());
    });

    it("deletes the days that are too old and nothing else", async () => {
      const told = await auditship("retention", "-c", config);
      expect(told.trim().split("\n")).toEqual(old.map((index) => `archive: deleted ${index}`));
      expect(await there()).toEqual([...kept, ...theirs].sort());
      expect(await auditship("retention", "-c", config)).toBe("archive: nothing to delete\n");
    });
  });
}
