import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { type Outcome, play } from "./scenario.js";
import { SCENARIOS } from "./scenarios/index.js";
import { table } from "./table.js";

/** As it is built and as users run it. */
const ENTRY = fileURLToPath(new URL("../../dist/auditship.js", import.meta.url));

const outcomes: Outcome[] = [];
afterAll(() => console.log(`${table(outcomes)}\n`));

describe("nothing is lost, nothing stored twice, and what is gone is counted, in scenario", () => {
  for (const scenario of SCENARIOS) {
    it(scenario.name, { timeout: scenario.timeout ?? 60_000 }, async ({ skip }) => {
      const reason = scenario.skip?.();
      if (reason) skip(reason);
      const outcome = await play(scenario, ENTRY);
      outcomes.push(outcome);
      expect(outcome.problems).toEqual([]);
    });
  }
});
