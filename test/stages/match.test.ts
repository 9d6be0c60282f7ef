import { describe, expect, it } from "vitest";
import match from "../../plugins/stages/match.js";
import { type Batch, Flag, type OnError, type OnTime, type RuleMatch, type RuleSet } from "../../src/plugin/index.js";
import { loadEvents, stageHost } from "./support.js";

const rule = (name: string): RuleMatch => ({
  rule: name,
  dialect: "kubesphere",
  priority: "INFO",
  rank: 1,
  actions: ["archived"],
  tags: [],
  facts: {},
  message: () => "",
});
const OPTIONS = { staleAfter: 3_600_000 };
const SEEN = rule("Seen");
const BROKEN = rule("Broken");

/** A set in which one rule matches every event, and another fails on every second. */
const SET: RuleSet = {
  hash: "0123456789ab",
  size: 2,
  evaluate(batch: Batch, onError?: OnError, onTime?: OnTime) {
    batch.rules = this.hash;
    onTime?.(SEEN, 250);
    onTime?.(SEEN, 250);
    for (let row = 0; row < batch.count; row++) {
      batch.addMatch(row, SEEN);
      if (row % 2 === 0) onError?.(BROKEN);
    }
  },
};

describe("the stage match", () => {
  it("adds the matches of the rules in force, looked up again for each batch", async () => {
    const sets: RuleSet[] = [SET, { hash: "", size: 0, evaluate: () => {} }];
    const stage = await match.create(OPTIONS, stageHost({ rules: () => sets.shift()! }));
    const [first, second] = [loadEvents({ verb: "get" }), loadEvents({ verb: "get" })];
    await stage.run(first);
    await stage.run(second);
    expect(first.rules).toBe(SET.hash);
    expect([first, second].map((batch) => batch.matches(0).length)).toEqual([1, 0]);
  });

  it("counts matches of events that are new, and failures of rules", async () => {
    const host = stageHost({ rules: () => SET });
    const stage = await match.create(OPTIONS, host);
    const batch = loadEvents({ verb: "a" }, { verb: "b" }, { verb: "c" });
    batch.setFlags(1, Flag.again);
    await stage.run(batch);
    expect(Object.fromEntries(host.counts)).toMatchObject({
      "auditship_matches_total Seen kubesphere INFO": 2,
      "auditship_rule_errors_total Broken": 2,
    });
  });

  it("measures the cost of each rule on one batch in 64, and counts it for all", async () => {
    const host = stageHost({ rules: () => SET });
    const stage = await match.create(OPTIONS, host);
    for (let batch = 0; batch < 65; batch++) await stage.run(loadEvents({ verb: "a" }));
    expect(host.counts.get("auditship_rule_seconds_total Seen kubesphere")).toBe(2 * 64 * 0.5);
    expect(host.counts.get("auditship_match_seconds_total")).toBeGreaterThan(0);
  });

  it("marks only events that would alert but are too old when they are first read", async () => {
    const alert: RuleMatch = { ...SEEN, actions: ["archived", "alerting"] };
    const now = Date.parse("2026-11-21T10:00:00Z");
    const set = (found: RuleMatch): RuleSet => ({
      ...SET,
      evaluate(batch) {
        for (let row = 0; row < batch.count; row++) batch.addMatch(row, found);
      },
    });
    const marks = async (found: RuleMatch) => {
      const stage = await match.create(OPTIONS, stageHost({ rules: () => set(found), now: () => now }));
      const batch = loadEvents(
        { stageTimestamp: "2026-11-21T08:59:59.999000Z" },
        { stageTimestamp: "2026-11-21T09:00:00.000000Z" },
        { stageTimestamp: "2026-11-21T08:00:00.000000Z" },
      );
      batch.setFlags(2, Flag.again);
      await stage.run(batch);
      return [0, 1, 2].map((row) => batch.annotation(row, "stale"));
    };
    expect(await marks(alert)).toEqual([true, undefined, undefined]);
    expect(await marks(SEEN)).toEqual([undefined, undefined, undefined]);
  });

  it("takes no other options", async () => {
    const { z } = await import("zod");
    expect(match.options(z).parse({})).toEqual({ staleAfter: 3_600_000 });
    expect(match.options(z).safeParse({ rules: [] }).success).toBe(false);
  });
});
