import { describe, expect, it } from "vitest";
import type { LoadedRules } from "../../src/rules/index.js";
import {
  type Alert,
  alertsOf,
  falcoFile,
  falcoJson,
  falcoLines,
  falcoTexts,
  hasFalcoData,
  loadFalco,
} from "./falco.js";

/** An alert as Falco's JSON has it. */
interface Golden {
  n?: number;
  auditID?: string;
  rule: string;
  priority: string;
  time: string;
  message: string;
  output_fields: Alert["fields"];
  tags: string[];
}

interface Manifest {
  tests: {
    id: string;
    trace: string;
    rules_files: string[];
    oracle: Record<"first" | "all", Golden[]>;
  }[];
}

const DEFAULT = ["rules/k8s_audit_rules.yaml"];
const SETTINGS = { default: DEFAULT, everything: [...DEFAULT, "rules/enable_everything.yaml"] };

const golden = ({ rule, priority, time, message, output_fields, tags }: Golden) => ({
  rule,
  priority,
  time,
  message,
  fields: output_fields,
  tags,
});
const ours = ({ rule, priority, time, message, fields, tags }: Alert) => ({
  rule,
  priority,
  time,
  message,
  fields,
  tags,
});

describe.skipIf(!hasFalcoData)("Falco's rules alert as Falco does", () => {
  for (const [setting, files] of Object.entries(SETTINGS)) {
    for (const matching of ["first", "all"] as const) {
      it(`on all traces: ${setting} rules, ${matching}`, async () => {
        const expected = falcoLines<Golden>(`golden/falco_traces.${setting}.${matching}.jsonl`);
        expect(expected.length).toBeGreaterThan(40);
        const alerts = alertsOf(await loadFalco(files.map(falcoFile), matching), falcoTexts("falco_traces.jsonl"));
        expect(alerts.map((alert) => ({ n: alert.n, auditID: alert.auditID, ...ours(alert) }))).toEqual(
          expected.map((alert) => ({ n: alert.n, auditID: alert.auditID, ...golden(alert) })),
        );
      });
    }
  }

  describe("in its own suite", () => {
    const { tests } = falcoJson<Manifest>("manifest.json", { tests: [] });
    const loaded = new Map<string, Promise<LoadedRules>>();
    const load = (files: string[], matching: "first" | "all"): Promise<LoadedRules> => {
      const key = `${files} ${matching}`;
      const known = loaded.get(key) ?? loadFalco(files.map(falcoFile), matching);
      loaded.set(key, known);
      return known;
    };
    it("has 66 tests", () => expect(tests).toHaveLength(66));
    for (const { id, trace, rules_files: files, oracle } of tests) {
      for (const matching of ["first", "all"] as const) {
        it(`${id}, ${matching}`, async () => {
          const rules = await load(files, matching);
          expect(rules.refused).toEqual([]);
          expect(alertsOf(rules, falcoTexts(trace)).map(ours)).toEqual(oracle[matching].map(golden));
        });
      }
    }
  });
});
