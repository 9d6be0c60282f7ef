import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { METRICS, type MetricDefinition } from "../../src/observe/metrics.js";

const FILE = fileURLToPath(new URL("../../daemonset/components/prometheusrule/prometheusrule.yaml", import.meta.url));

interface AlertRule {
  alert: string;
  expr: string;
  labels: object;
  annotations: { summary: string; description: string };
}

const { spec } = parse(readFileSync(FILE, "utf8")) as { spec: { groups: { rules: AlertRule[] }[] } };
const rules = spec.groups.flatMap((group) => group.rules);
const metrics: Record<string, MetricDefinition> = METRICS;
/** What Prometheus adds: the ServiceMonitor's. */
const ADDED = ["node"];

describe("the alerts on the agent itself", () => {
  it.each(rules)("$alert asks for metrics that there are, and shows labels that they have", ({ expr, annotations }) => {
    const names = new Set(expr.match(/auditship_\w+/g));
    expect(names.size).toBe(1);
    const definition = metrics[[...names][0]];
    expect(definition).toBeDefined();
    const known = [...definition.labels, ...ADDED];
    const asked = [...expr.matchAll(/(\w+)=~?"/g)].map(([, label]) => label);
    const shown = [
      ...Object.values(annotations)
        .join()
        .matchAll(/\$labels\.(\w+)/g),
    ].map(([, label]) => label);
    for (const label of [...asked, ...shown]) expect(known).toContain(label);
  });
});

/** Series with their values, minute by minute, and the alerts that fire after ten minutes. */
const CASES: [series: Record<string, string>, alerts: string[]][] = [
  [{ 'auditship_sink_state{sink="hook",state="stopped",node="n"}': "0 1x10" }, ["AuditshipSinkStopped"]],
  [{ 'auditship_sink_state{sink="hook",state="live",node="n"}': "1x10" }, []],
  [{ 'auditship_sink_stuck{sink="search",node="n"}': "0 1x10" }, ["AuditshipSinkStuck"]],
  [{ 'auditship_sink_stuck{sink="search",node="n"}': "0x8 1 1" }, []],
  [{ 'auditship_alerts_untold{sink="pager",node="n"}': "0 3x10" }, ["AuditshipAlertsUntold"]],
  [{ 'auditship_alerts_untold{sink="pager",node="n"}': "0 3 0x10" }, []],
  [{ 'auditship_bytes_lost_total{source="a",reason="deleted",node="n"}': "0x5 700x5" }, ["AuditshipBytesLost"]],
  [{ 'auditship_bytes_lost_total{source="a",reason="deleted",node="n"}': "_x5 700x5" }, ["AuditshipBytesLost"]],
  [{ 'auditship_bytes_lost_total{source="a",reason="deleted",node="n"}': "700x10" }, []],
  [{ 'auditship_bytes_lost_at_most{source="a",node="n"}': "_x5 700x5" }, ["AuditshipBytesUnseen"]],
  [{ 'auditship_bytes_lost_at_most{source="a",node="n"}': "700x5 900x5" }, ["AuditshipBytesUnseen"]],
  [{ 'auditship_bytes_lost_at_most{source="a",node="n"}': "700x10" }, []],
];

describe.skipIf(spawnSync("promtool", ["--version"]).status !== 0)(
  "the alerts on the agent itself, in Prometheus,",
  () => {
    it.each(CASES)("%j fire as %j", (series, alerts) => {
      const directory = mkdtempSync(join(tmpdir(), "auditship-alerts-"));
      onTestFinished(() => rmSync(directory, { recursive: true }));
      const written = join(directory, "rules.json");
      writeFileSync(written, JSON.stringify(spec));
      execFileSync("promtool", ["check", "rules", written], { encoding: "utf8" });
      // What it says is for people; expected are only the labels.
      writeFileSync(
        written,
        JSON.stringify(spec, (key, value) => (key === "annotations" ? undefined : value)),
      );
      const input = Object.entries(series).map(([name, values]) => ({ series: name, values }));
      const fire = rules.map(({ alert, labels }) => ({
        alertname: alert,
        eval_time: "10m",
        exp_alerts: alerts.includes(alert) ? [{ exp_labels: { ...labels, ...labelsOf(input[0].series) } }] : [],
      }));
      const test = { rule_files: ["rules.json"], evaluation_interval: "1m" };
      const tests = [{ interval: "1m", input_series: input, alert_rule_test: fire }];
      writeFileSync(join(directory, "test.json"), JSON.stringify({ ...test, tests }));
      expect(execFileSync("promtool", ["test", "rules", join(directory, "test.json")], { encoding: "utf8" })).toContain(
        "SUCCESS",
      );
    });
  },
);

const labelsOf = (series: string) =>
  Object.fromEntries([...series.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label, value]));
