import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundle } from "../support/bundle.js";
import { play } from "./scenario.js";
import { SCENARIOS } from "./scenarios/index.js";

let directory: string;
const entry = () => join(directory, "auditship.mjs");
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-bundle-"));
  await bundle(entry());
});
afterAll(() => rm(directory, { recursive: true }));

describe("nothing is lost, nothing stored twice, and what is gone is counted, in scenario", () => {
  for (const scenario of SCENARIOS.filter(({ quick }) => quick)) {
    it(scenario.name, { timeout: 120_000 }, async ({ skip }) => {
      const reason = scenario.skip?.();
      if (reason) skip(reason);
      expect((await play(scenario, entry())).problems).toEqual([]);
    });
  }
});
