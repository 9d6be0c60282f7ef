import { type Batch, defineStage, duration, Flag, type RuleMatch, type StageHost } from "../../src/plugin/index.js";

/** Of so many batches one tells what each rule takes. */
const SAMPLED = 64;

/** Adds to each event the rules in force that match it. */
export default defineStage({
  kind: "stage",
  name: "match",
  annotates: ["stale"],
  options: (z) =>
    z.strictObject({
      staleAfter: duration()
        .prefault("1h")
        .describe(
          "Events with an alerting match that are older than this when they are first read are marked auditship.stale: with an alertmanager sink's maxAge of the same length, nobody was alerted to them.",
        ),
    }),
  create({ staleAfter }, host) {
    let batches = 0;
    return {
      run(batch) {
        const started = performance.now();
        const failed = new Map<RuleMatch, number>();
        const times = batches++ % SAMPLED === 0 ? new Map<RuleMatch, number>() : undefined;
        const fail = (rule: RuleMatch) => add(failed, rule, 1);
        host.rules().evaluate(batch, fail, times && ((rule, milliseconds) => add(times, rule, milliseconds)));
        host.meter.add("auditship_match_seconds_total", (performance.now() - started) / 1000);
        for (const [{ rule }, count] of failed) host.meter.add("auditship_rule_errors_total", count, rule);
        for (const [{ rule, dialect }, milliseconds] of times ?? [])
          host.meter.add("auditship_rule_seconds_total", (milliseconds / 1000) * SAMPLED, rule, dialect);
        countMatches(batch, host);
        markStale(batch, host.now() - staleAfter);
      },
    };
  },
});

function add(sums: Map<RuleMatch, number>, rule: RuleMatch, value: number): void {
  sums.set(rule, (sums.get(rule) ?? 0) + value);
}

/** Each event counts once, however often it is worked on. */
function countMatches(batch: Batch, host: StageHost): void {
  const counts = new Map<RuleMatch, number>();
  for (let row = 0; row < batch.count; row++) {
    if ((batch.flags(row) & (Flag.matched | Flag.again)) !== Flag.matched) continue;
    for (const match of batch.matches(row)) add(counts, match, 1);
  }
  for (const [{ rule, dialect, priority }, count] of counts)
    host.meter.add("auditship_matches_total", count, rule, dialect, priority);
}

/** What is read again was alerted to when it was new, whenever that was. */
function markStale(batch: Batch, oldest: number): void {
  for (let row = 0; row < batch.count; row++) {
    if ((batch.flags(row) & (Flag.alerting | Flag.again)) !== Flag.alerting) continue;
    if (batch.at(row).timeMs() < oldest) batch.annotate(row, "stale", true);
  }
}
