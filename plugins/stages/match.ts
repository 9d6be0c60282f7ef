import { type Batch, defineStage, Flag, type RuleMatch, type StageHost } from "../../src/plugin/index.js";

/** Adds to each event the rules in force that match it. */
export default defineStage({
  kind: "stage",
  name: "match",
  options: (z) => z.strictObject({}),
  create: (_, host) => ({
    run(batch) {
      const failed = new Map<RuleMatch, number>();
      host.rules().evaluate(batch, (rule) => failed.set(rule, (failed.get(rule) ?? 0) + 1));
      for (const [{ rule }, count] of failed) host.meter.add("auditship_rule_errors_total", count, rule);
      countMatches(batch, host);
    },
  }),
});

/** Each event counts once, however often it is worked on. */
function countMatches(batch: Batch, host: StageHost): void {
  const counts = new Map<RuleMatch, number>();
  for (let row = 0; row < batch.count; row++) {
    if ((batch.flags(row) & (Flag.matched | Flag.again)) !== Flag.matched) continue;
    for (const match of batch.matches(row)) counts.set(match, (counts.get(match) ?? 0) + 1);
  }
  for (const [{ rule, dialect, priority }, count] of counts)
    host.meter.add("auditship_matches_total", count, rule, dialect, priority);
}
