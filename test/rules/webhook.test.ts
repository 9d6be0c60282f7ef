import { describe, expect, it } from "vitest";
import type { LoadedRules } from "../../src/rules/index.js";
import { EVENT, lines, load, names, resource, rule, run } from "./loading.js";

/** KubeSphere's Webhook resource, as ks-installer writes it. */
function webhook(spec: string): string {
  return `apiVersion: auditing.kubesphere.io/v1alpha1\nkind: Webhook\nmetadata: { name: kube-auditing-webhook }\nspec: ${spec}\n`;
}

const RULES = {
  "alert.yaml": resource(
    ["DEBUG", "INFO", "WARNING"].map((p) => rule(`L${p}`, "Verb exists").replace("WARNING }", `${p} }`)),
    { name: "l" },
  ),
  "archive.yaml": resource(
    ["DEBUG", "INFO", "WARNING"].map((p) => rule(`V${p}`, "Verb exists").replace("WARNING }", `${p} }`)),
    { name: "v", type: "archiving" },
  ),
};

const actions = (loaded: LoadedRules) => Object.fromEntries(run(loaded, EVENT).map((m) => [m.rule, m.actions.join()]));

describe("KubeSphere's Webhook resource", () => {
  it("sets both thresholds, wherever it stands, over those of the configuration", async () => {
    const spec = "{ replicas: 2, archivingPriority: WARNING, alertingPriority: info, auditLevel: Metadata }";
    const loaded = await load(
      { ...RULES, "zzz.yaml": webhook(spec) },
      { archivingPriority: "DEBUG", alertingPriority: "Error" },
    );
    expect(lines([...loaded.refused, ...loaded.warnings])).toEqual([]);
    expect(actions(loaded)).toEqual({
      LDEBUG: "archived",
      LINFO: "archived,alerting",
      LWARNING: "archived,alerting",
      VWARNING: "archived",
    });
  });

  it("leaves to the configuration what it does not say", async () => {
    const loaded = await load(
      { ...RULES, "w.yaml": webhook("{ archivingPriority: INFO }") },
      { alertingPriority: "INFO" },
    );
    expect(actions(loaded)).toEqual({
      LDEBUG: "archived",
      LINFO: "archived,alerting",
      LWARNING: "archived,alerting",
      VINFO: "archived",
      VWARNING: "archived",
    });
  });

  it("says by labels whose rules alert and whose archive: all that it names must be there", async () => {
    const spec = `
  auditSinkPolicy:
    alertingRuleSelector: { matchLabels: { team: sec, on: "true" } }
    archivingRuleSelector: { matchLabels: { type: archiving } }
`;
    const labelled = (name: string, labels: string) =>
      resource([rule(name, "Verb exists")], { name }).replace(/labels: \{.*?\}/, `labels: { ${labels} }`);
    const loaded = await load({
      "w.yaml": webhook(spec),
      "a.yaml": labelled("both", "team: sec, on: true, type: archiving"),
      "b.yaml": labelled("alert", "team: sec, on: true"),
      "c.yaml": labelled("archive", "type: archiving, team: sec"),
      "d.yaml": labelled("none", "type: alerting"),
    });
    expect(actions(loaded)).toEqual({ both: "archived,alerting", alert: "archived,alerting", archive: "archived" });
    expect(lines(loaded.warnings)).toEqual([
      "d.yaml:3:11: Rule resource none has no label type: archiving or team: sec, on: true; its rules do nothing.",
    ]);
  });

  it("has selectors that mean the default when they are empty, as upstream's", async () => {
    const spec = "{ auditSinkPolicy: { alertingRuleSelector: {}, archivingRuleSelector: { matchLabels: {} } } }";
    const loaded = await load({ ...RULES, "w.yaml": webhook(spec) });
    expect(actions(loaded)).toMatchObject({ LWARNING: "archived,alerting", VDEBUG: "archived" });
  });

  it("warns of what it says in vain: expressions of selectors, receivers", async () => {
    const spec = `
  auditSinkPolicy:
    alertingRuleSelector:
      matchExpressions: [{ key: type, operator: Exists }]
  receivers: [{ name: a, type: alertmanager }]
`;
    const loaded = await load({ ...RULES, "w.yaml": webhook(spec) });
    expect(lines(loaded.warnings)).toEqual([
      expect.stringMatching(/^w.yaml:8:14: The receivers of a Webhook resource are not used; name them under sinks/),
      expect.stringMatching(/^w.yaml:7:25: Only matchLabels of a selector counts/),
    ]);
  });

  it("is refused with a priority that is none, and the configuration's holds", async () => {
    const loaded = await load({ ...RULES, "w.yaml": webhook("{ alertingPriority: WARNNG }") });
    expect(lines(loaded.refused)).toEqual([
      expect.stringMatching(/^w.yaml:4:27: Webhook resource: alertingPriority is WARNNG, .*did you mean WARNING\?/),
    ]);
    expect(actions(loaded)).toMatchObject({ LWARNING: "archived,alerting" });
  });

  it("may stand in a list, among rules or of its own kind", async () => {
    const list = {
      apiVersion: "auditing.kubesphere.io/v1alpha1",
      kind: "WebhookList",
      items: [{ metadata: { name: "kube-auditing-webhook" }, spec: { alertingPriority: "INFO" } }],
    };
    expect(actions(await load({ ...RULES, "w.json": JSON.stringify(list) }))).toMatchObject({
      LINFO: "archived,alerting",
    });
  });
});

describe("resources that are watched in a cluster", () => {
  it("count after the files, as if they stood in one, and errors name them", async () => {
    const live = (name: string, condition: string) => ({
      name: `rules.auditing.kubesphere.io/${name}`,
      value: {
        apiVersion: "auditing.kubesphere.io/v1alpha1",
        kind: "Rule",
        metadata: { name, labels: { type: "alerting", workspace: "system-workspace" } },
        spec: { rules: [{ name: "R", type: "rule", condition, enable: true, priority: "WARNING" }] },
      },
    });
    const loaded = await load(
      { "a.yaml": resource(["{ name: pod, type: macro, macro: 'ObjectRef.Resource = \"pods\"' }"]) },
      { resources: [live("good", "${cr.pod}"), live("bad", "Verb = (")] },
    );
    expect(names(loaded, EVENT)).toEqual(["R"]);
    expect(loaded.rules.map(({ workspace }) => workspace)).toEqual(["system-workspace", "system-workspace"]);
    expect(lines(loaded.refused)).toEqual([
      expect.stringMatching(/^rules.auditing.kubesphere.io\/bad: Rule bad.R: expected a string/),
    ]);
  });
});

describe("rules.like", () => {
  const name = async (pattern: string, like: "upstream" | "anchored", value: string) =>
    names(await load({ "a.yaml": resource([rule("R", `ObjectRef.Name like "${pattern}"`)]) }, { like }), {
      ...EVENT,
      objectRef: { resource: "pods", name: value },
    }).length === 1;

  // Upstream: `?` is `.`, `*` is `(.*)`, searched anywhere. Anchored: the whole text, in which `*` and `?` are any characters.
  const cases: [pattern: string, value: string, upstream: boolean, anchored: boolean][] = [
    ["demo*", "demo-1", true, true],
    ["demo*", "my-demo-1", true, false],
    ["demo", "demo", true, true],
    ["demo", "demo-1", true, false],
    ["*demo", "my-demo", true, true],
    ["*demo", "my-demo-1", true, false],
    ["*demo*", "my-demo-1", true, true],
    ["d?mo", "dxmo", true, true],
    ["d?mo", "adxmob", true, false],
    ["d*o", "demo", true, true],
    ["d*o", "demo1", true, false],
    ["a|b", "b", true, true],
    ["a|b", "bc", true, false],
    ["de*mo", "de\nmo", false, true],
    ["*", "", true, true],
  ];
  for (const [pattern, value, upstream, anchored] of cases) {
    it(`${pattern} on ${JSON.stringify(value)}: ${upstream} as upstream has it, ${anchored} anchored`, async () => {
      expect(await name(pattern, "upstream", value)).toBe(upstream);
      expect(await name(pattern, "anchored", value)).toBe(anchored);
    });
  }

  it("anchored has no need of the warning, and another hash", async () => {
    const files = { "a.yaml": resource([rule("R", 'ObjectRef.Name like "demo*"')]) };
    const upstream = await load(files);
    const anchored = await load(files, { like: "anchored" });
    expect(lines(upstream.warnings)).toEqual([expect.stringMatching(/found anywhere .* rules.like: anchored/)]);
    expect(lines(anchored.warnings)).toEqual([]);
    expect(anchored.set.hash).not.toBe(upstream.set.hash);
  });
});
