import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadRules } from "../../src/rules/index.js";
import { batchOf } from "./events.js";

const DATA = process.env.AUDITSHIP_TEST_DATA ?? "../shared/data";
const RULES = join(DATA, "sigma/rules");
const SAMPLES = ["kubeadm-cluster/audit.jsonl.gz", "apiserver-real/audit.jsonl.gz", "audit2rbac_demo.jsonl"];
/** Events of one batch. */
const BATCH = 2000;

type Json = Record<string, unknown>;
interface SigmaRule {
  title: string;
  author: string;
  id: string;
  level: string;
  detection: Record<string, unknown>;
}

/** What these rules say of an event, by their specification and nothing else: they need no more than this. */
function says(rule: SigmaRule, event: Json): boolean {
  const { condition } = rule.detection;
  const holds = (name: string) => search(rule.detection[name] as Json, event);
  const [first, second] = String(condition).split(" and 1 of ");
  if (second === undefined) return holds(first);
  const prefix = second.replace(/\*$/, "");
  return (
    holds(first) &&
    Object.keys(rule.detection)
      .filter((name) => name.startsWith(prefix))
      .some(holds)
  );
}

function search(fields: Json, event: Json): boolean {
  return Object.entries(fields).every(([key, wanted]) => {
    const [name, modifier] = key.split("|");
    return [wanted].flat().some((value) => finds(name, modifier, String(value).toLowerCase(), event));
  });
}

function finds(name: string, modifier: string | undefined, value: string, event: Json): boolean {
  if (name === "responseStatus.code" && value === "allow")
    return (event.annotations as Json | undefined)?.["authorization.k8s.io/decision"] === "allow";
  const found = paths(name).flatMap((path) => at(event, path.split(".")));
  if (value === "*") return found.length > 0;
  const texts = found.filter((one) => typeof one !== "object").map((one) => String(one).toLowerCase());
  return texts.some((text) => (modifier === "contains" ? text.includes(value) : text === value));
}

function paths(name: string): string[] {
  const specs = ["spec", "spec.template.spec", "spec.jobTemplate.spec.template.spec"];
  if (name === "apiGroup") return ["objectRef.apiGroup"];
  if (name === "hostPath") return specs.map((spec) => `requestObject.${spec}.volumes.hostPath.path`);
  if (name !== "capabilities") return [name];
  return specs.flatMap((spec) =>
    ["containers", "initContainers", "ephemeralContainers"].map(
      (list) => `requestObject.${spec}.${list}.securityContext.capabilities`,
    ),
  );
}

function at(value: unknown, [name, ...rest]: string[]): unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => at(item, name === undefined ? [] : [name, ...rest]));
  if (name === undefined) return value === null || value === undefined ? [] : [value];
  return typeof value === "object" && value !== null ? at((value as Json)[name], rest) : [];
}

function linesOf(sample: string): string[] {
  const bytes = readFileSync(join(DATA, "samples", sample));
  const text = (sample.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
  return text.split("\n").filter((line) => line.startsWith("{"));
}

/** Events that the samples lack, one for each rule that is silent on them. */
const MADE = [
  { verb: "create", objectRef: { resource: "selfsubjectrulesreviews", apiGroup: "authorization.k8s.io" } },
  { verb: "delete", objectRef: { resource: "events" } },
  {
    verb: "create",
    objectRef: { resource: "pods" },
    requestObject: { spec: { containers: [{}, { securityContext: { capabilities: { add: ["SYS_ADMIN"] } } }] } },
  },
  {
    verb: "get",
    requestURI: "/api/v1/namespaces/a/pods/b/exec?command=%2FBIN%2FSH",
    annotations: { "authorization.k8s.io/decision": "allow" },
  },
  { verb: "patch", objectRef: { resource: "deployments", apiGroup: "apps" } },
  { verb: "get", userAgent: "Trufflehog/3", annotations: { "authorization.k8s.io/decision": "forbid" } },
].map((event) => JSON.stringify({ kind: "Event", stage: "ResponseComplete", ...event }));

const hasRules = existsSync(RULES);

describe.skipIf(!hasRules)("SigmaHQ's rules for Kubernetes", async () => {
  const loaded = await loadRules({ paths: [RULES], archivingPriority: "DEBUG", alertingPriority: "WARNING" });
  const rules = (hasRules ? readdirSync(RULES) : [])
    .sort()
    .map((file) => parse(readFileSync(join(RULES, file), "utf8")) as SigmaRule);
  const seen = new Set<string>();

  it("all load, with everything that their licence requires to be kept", () => {
    expect(loaded.refused).toEqual([]);
    expect(loaded.rules.map(({ name, priority }) => [name, priority])).toEqual(
      rules.map(({ title, level }) => [title, level]),
    );
    expect(loaded.warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining("exec: it matches the verb create only"),
    ]);
  });

  it.each([...SAMPLES, "made"])("match what they say on %s", { timeout: 120_000 }, (sample) => {
    const lines = sample === "made" ? MADE : linesOf(sample);
    expect(lines.length).toBeGreaterThan(0);
    for (let from = 0; from < lines.length; from += BATCH) {
      const part = lines.slice(from, from + BATCH);
      const batch = batchOf(...part);
      loaded.set.evaluate(batch);
      for (const [row, line] of part.entries()) {
        const event = JSON.parse(line) as Json;
        const expected = rules.filter((rule) => says(rule, event)).map(({ title }) => title);
        const found = batch.matches(row).filter(({ dialect }) => dialect === "sigma");
        expect(
          found.map(({ rule }) => rule),
          line,
        ).toEqual(expected);
        for (const { rule, facts } of found) {
          seen.add(rule);
          const { id, author } = rules.find(({ title }) => title === rule) as SigmaRule;
          expect(facts).toMatchObject({ id, author });
        }
      }
    }
  });

  it("have each matched at least once", () => expect([...seen].sort()).toEqual(rules.map(({ title }) => title).sort()));
});
