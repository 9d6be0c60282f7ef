import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LiveResource } from "../../src/rules/index.js";
import { directory, EVENT, lines, load, names, resource, rule, run } from "./loading.js";

/** A Rule resource as the API server gives it. */
function live(namespace: string, name: string, items: object[], type = "alerting"): LiveResource {
  const metadata = { name, namespace, labels: { type } };
  const value = { apiVersion: "auditing.kubesphere.io/v1alpha1", kind: "Rule", metadata, spec: { rules: items } };
  return { name: `rules.auditing.kubesphere.io/${namespace}/${name}`, namespace, value };
}

/** The Webhook resource as the API server gives it. */
function webhook(spec: object): LiveResource {
  const metadata = { name: "kube-auditing-webhook" };
  const value = { apiVersion: "auditing.kubesphere.io/v1alpha1", kind: "Webhook", metadata, spec };
  return { name: "webhooks.auditing.kubesphere.io/kube-auditing-webhook", value };
}

const item = (name: string, condition: string) => ({
  name,
  type: "rule",
  condition,
  enable: true,
  priority: "WARNING",
});

describe("rules that are watched", () => {
  it("run beside those of files and of other namespaces that have the same name, and replace none", async () => {
    const loaded = await load(
      { "a.yaml": resource([rule("Same", "Verb exists")], { name: "cr" }) },
      {
        resources: [live("one", "cr", [item("Same", "Verb exists")]), live("two", "cr", [item("Same", "Verb exists")])],
      },
    );
    expect(lines([...loaded.refused, ...loaded.warnings])).toEqual([]);
    expect(names(loaded, EVENT)).toEqual(["Same", "Same", "Same"]);
    expect(loaded.rules.map(({ resource }) => resource)).toEqual(["cr", "one/cr", "two/cr"]);
  });

  it("refer to resources of their own namespace only", async () => {
    const macro = { name: "writes", type: "macro", macro: 'Verb = "create"' };
    const asks = item("Asks", "${common.writes}");
    const loaded = await load(
      { "a.yaml": resource(["{ name: writes, type: macro, macro: 'Verb exists' }"], { name: "common" }) },
      {
        resources: [
          live("one", "common", [macro]),
          live("one", "cr", [asks]),
          live("two", "cr", [asks]),
          live("two", "deep", [{ ...asks, name: "Deep" }]),
        ],
      },
    );
    expect(lines(loaded.refused)).toEqual([
      expect.stringMatching(/^rules.auditing.kubesphere.io\/two\/cr: Rule two\/cr.Asks: There is no macro/),
      expect.stringMatching(/^rules.auditing.kubesphere.io\/two\/deep: Rule two\/deep.Deep: There is no macro/),
    ]);
    expect(names(loaded, EVENT)).toEqual(["Asks"]);
  });

  it("archive and alert as a watched Webhook resource says, like those of files", async () => {
    const loaded = await load(
      { "a.yaml": resource([rule("File", "Verb exists")]) },
      { resources: [live("one", "cr", [item("Live", "Verb exists")]), webhook({ alertingPriority: "ERROR" })] },
    );
    expect(run(loaded, EVENT).map(({ rule, actions }) => [rule, actions])).toEqual([
      ["File", ["archived"]],
      ["Live", ["archived"]],
    ]);
  });

  it("use a watched Webhook resource instead of one in files, not in addition to it", async () => {
    const file = {
      apiVersion: "auditing.kubesphere.io/v1alpha1",
      kind: "Webhook",
      metadata: { name: "x" },
      spec: { alertingPriority: "ERROR", receivers: [{ type: "webhook", config: { url: "http://x" } }] },
    };
    const loaded = await load(
      { "a.yaml": resource([rule("File", "Verb exists")]), "w.json": JSON.stringify(file) },
      { resources: [webhook({ archivingPriority: "INFO" })] },
    );
    expect(run(loaded, EVENT).map(({ actions }) => actions)).toEqual([["archived", "alerting"]]);
    expect(loaded.receivers).toEqual([]);
  });

  it("are refused without being read if something is wrong with all of them", async () => {
    const problem = "It has 1001 rules, more than 1000.";
    const loaded = await load({}, { resources: [{ ...live("one", "cr", []), value: undefined, problem }] });
    expect(lines(loaded.refused)).toEqual([
      "rules.auditing.kubesphere.io/one/cr: It has 1001 rules, more than 1000. (AUDITSHIP_RULE_INVALID)",
    ]);
  });

  it("load together with the files of an earlier load, without reading those again", async () => {
    const first = await load({ "a.yaml": resource([rule("File", "Verb exists")]), "bad.yaml": "a: [" });
    for (const name of ["a.yaml", "bad.yaml"]) await rm(join(directory, name));
    const loaded = await load(
      {},
      { files: first.files, resources: [live("one", "cr", [item("Live", "Verb exists")])] },
    );
    expect(names(loaded, EVENT)).toEqual(["File", "Live"]);
    expect(loaded.refused).toEqual(first.refused);
  });
});

describe("the Webhook resource", () => {
  const RULES = [
    live("one", "cr", [
      item("Asks", "RequestObject.spec.hostNetwork = true"),
      { ...item("Says", "Verb exists"), output: "${ResponseObject.kind}" },
      item("Neither", "Verb exists"),
    ]),
  ];

  it.each([
    ["Metadata", ["Asks: it asks for requestObject", "Says: it asks for responseObject"]],
    ["Request", ["Says: it asks for responseObject"]],
    ["RequestResponse", []],
    ["None", []],
  ])("warns of rules that need a body which auditLevel %s takes out", async (auditLevel, expected) => {
    const loaded = await load({}, { resources: [...RULES, webhook({ auditLevel })] });
    expect(loaded.webhook?.auditLevel).toBe(auditLevel);
    expect(lines(loaded.warnings)).toEqual(
      expected.map((what) =>
        expect.stringContaining(
          `Rule one/cr.${what}, which auditLevel ${auditLevel} takes out of KubeSphere's own events`,
        ),
      ),
    );
  });

  it("refuses an unknown auditLevel", async () => {
    const loaded = await load({}, { resources: [webhook({ auditLevel: "metadata" })] });
    expect(lines(loaded.refused)).toEqual([expect.stringMatching(/spec.auditLevel is not as it should be/)]);
  });

  it("warns of a selector that selects no Rule resource, as the documentation's example does", async () => {
    const auditSinkPolicy = { archivingRuleSelector: { matchLabels: { type: "persistence" } } };
    const none = await load({}, { resources: [...RULES, webhook({ auditSinkPolicy })] });
    const said = lines(none.selectors);
    expect(said).toEqual([
      "webhooks.auditing.kubesphere.io/kube-auditing-webhook: archivingRuleSelector of the Webhook resource asks for type: persistence, which no Rule resource has; none is archiving.",
    ]);
    expect(lines(none.warnings)).toEqual(expect.arrayContaining(said));
    const some = await load(
      {},
      { resources: [live("one", "x", [item("R", "Verb exists")], "persistence"), webhook({ auditSinkPolicy })] },
    );
    expect(some.selectors).toEqual([]);
  });

  it.each([
    [{ k8sAuditingEnabled: true }, true, []],
    [{ auditing: { k8sAuditingEnabled: true } }, true, [expect.stringContaining("is taken from spec.auditing")]],
    [
      { k8sAuditingEnabled: false, auditing: { k8sAuditingEnabled: true } },
      false,
      [expect.stringContaining("is taken")],
    ],
    [{}, undefined, []],
  ])(
    "takes k8sAuditingEnabled from its place, and with a warning from where the documentation has it: %j",
    async (spec, expected, warnings) => {
      const loaded = await load({}, { resources: [webhook(spec)] });
      expect(loaded.webhook?.k8sAuditingEnabled).toBe(expected);
      expect(lines(loaded.warnings)).toEqual(warnings);
    },
  );

  it("names its keys about KubeSphere's own pods, which have no effect here", async () => {
    const loaded = await load(
      {},
      { resources: [webhook({ replicas: 2, image: "x", archivingPriority: "DEBUG", useHTTPS: true })] },
    );
    expect(loaded.webhook?.unused).toEqual(["replicas", "image", "useHTTPS"]);
    expect(lines([...loaded.warnings, ...loaded.refused])).toEqual([]);
  });
});
