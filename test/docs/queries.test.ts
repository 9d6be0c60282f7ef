import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, onTestFinished } from "vitest";
import { blocks } from "./pages.js";

/** The query that a page shows. */
const queryOf = (page: string) => blocks(page, "promql")[0].trim();

/** Series of two nodes that read a log of the same name, minute by minute, and what a page's query finds in them. */
const CASES: [page: string, series: Record<string, string>, labels: string, value: number][] = [
  [
    "docs/reading.md",
    {
      'auditship_lag_seconds{source="apiserver",sink="archive",node="one"}': "310x10",
      'auditship_lag_seconds{source="apiserver",sink="archive",node="two"}': "290x10",
      'auditship_outage_budget_seconds{source="apiserver",node="one"}': "600x10",
      'auditship_outage_budget_seconds{source="apiserver",node="two"}': "600x10",
    },
    'auditship_lag_seconds{source="apiserver",sink="archive",node="one"}',
    310,
  ],
  [
    "docs/rules.md",
    {
      'auditship_rule_seconds_total{rule="Dear",dialect="falco",node="one"}': "0+3x10",
      'auditship_rule_seconds_total{rule="Dear",dialect="falco",node="two"}': "0+1x10",
      'auditship_match_seconds_total{node="one"}': "0+6x10",
      'auditship_match_seconds_total{node="two"}': "0+2x10",
    },
    '{rule="Dear"}',
    0.5,
  ],
];

describe.skipIf(spawnSync("promtool", ["--version"]).status !== 0)("the queries for Prometheus", () => {
  it.each(CASES)("of %s hold for several nodes", (page, series, labels, value) => {
    const directory = mkdtempSync(join(tmpdir(), "auditship-queries-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const query = { expr: queryOf(page), eval_time: "10m", exp_samples: [{ labels, value }] };
    const input = Object.entries(series).map(([name, values]) => ({ series: name, values }));
    const tests = [{ interval: "1m", input_series: input, promql_expr_test: [query] }];
    writeFileSync(join(directory, "test.json"), JSON.stringify({ rule_files: [], evaluation_interval: "1m", tests }));
    execFileSync("promtool", ["test", "rules", join(directory, "test.json")], { encoding: "utf8" });
  });
});
