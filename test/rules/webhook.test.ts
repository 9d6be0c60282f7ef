import { describe, expect, it } from "vitest";
import type { LoadedRules } from "../../src/rules/index.js";
import { EVENT, lines, load, names, resource, rule, run } from "./loading.js";

/** KubeSphere's Webhook resource, as ks-installer writes it. */
function webhook(spec: string): string {
  return `apiVersion: auditing.kubesphere.io/v1alpha1\nkind: Webhook\nmetadata: { name: kube-auditing-webhook }\nspec: ${spec}\n`;
}

/** Of nobody, made for this test; only its form matters. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIURmcB6LmLjeF70tB8J7qCw6w3KYUwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjYwMDAyMTlaGA8yMTI2MTEwMjAwMDIx
OVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJGE
0Td2hPQq/IyzoSo2GIOoLbBcNEK1BpPIu1wzkFJu4EUEMht3JorIzfNLNayElnVP
4LHKylexy6fFvyInxEmjUzBRMB0GA1UdDgQWBBTf/aAigJ4p6v7MF01/Zzl2go/X
wTAfBgNVHSMEGDAWgBTf/aAigJ4p6v7MF01/Zzl2go/XwTAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCICncLedOL1sLMZc4aBOhuW8rITCCmtMsnZ1n
7fI4P3/HAiEA5Ce0V5goDcmku50Z0vlrLOYD3Aplr2aqTXQotf8WiZU=
-----END CERTIFICATE-----
`;

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

  it("leaves to the configuration what it does not set", async () => {
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

  it("selects by labels whose rules alert and whose archive: a resource must have all of them", async () => {
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

  it("falls back to the default for empty selectors, as upstream does", async () => {
    const spec = "{ auditSinkPolicy: { alertingRuleSelector: {}, archivingRuleSelector: { matchLabels: {} } } }";
    const loaded = await load({ ...RULES, "w.yaml": webhook(spec) });
    expect(actions(loaded)).toMatchObject({ LWARNING: "archived,alerting", VDEBUG: "archived" });
  });

  it("warns of expressions in selectors, which have no effect", async () => {
    const spec = `
  auditSinkPolicy:
    alertingRuleSelector:
      matchExpressions: [{ key: type, operator: Exists }]
`;
    const loaded = await load({ ...RULES, "w.yaml": webhook(spec) });
    expect(lines(loaded.warnings)).toEqual([
      expect.stringMatching(/^w.yaml:7:25: Only matchLabels of a selector counts/),
    ]);
  });

  const receivers = async (...all: string[]) => {
    const list = all.map((each) => `\n    - ${each}`).join("");
    return load({ ...RULES, "w.yaml": webhook(`\n  receivers:${list}`) });
  };

  it("names receivers: by URL or by service, which has a name in the cluster", async () => {
    const loaded = await receivers(
      "{ name: am, type: alertmanager, config: { service: { name: alertmanager-main, namespace: monitoring } } }",
      "{ name: hook, type: webhook, config: { url: 'https://hooks.example/x?y=z' } }",
      "{ type: webhook, config: { service: { name: hook, namespace: shop, port: 8080, path: alerts } } }",
      "{ name: peer, type: alertmanager, config: { service: { name: am, namespace: x, port: 9094, path: /base } } }",
    );
    expect(lines([...loaded.refused, ...loaded.warnings])).toEqual([]);
    expect(loaded.receivers.map(({ name, type, url }) => [name, type, url])).toEqual([
      ["am", "alertmanager", "http://alertmanager-main.monitoring.svc:9093"],
      ["hook", "webhook", "https://hooks.example/x?y=z"],
      ["webhook", "webhook", "http://hook.shop.svc:8080/alerts"],
      ["peer", "alertmanager", "http://am.x.svc:9094/base"],
    ]);
    expect(loaded.receivers[1].place).toMatchObject({ line: 7 });
  });

  it("asks a receiver's service with TLS when it has a caBundle", async () => {
    const caBundle = Buffer.from(CERTIFICATE).toString("base64");
    const { receivers: found } = await receivers(
      `{ name: s, type: webhook, config: { service: { name: s, namespace: n }, caBundle: ${caBundle} } }`,
    );
    expect(found).toMatchObject([{ url: "https://s.n.svc", caBundle }]);
  });

  it.each([
    ["{ name: a, type: webhook, config: {} }", /config is not as it should be \(expected one of url and service\)/],
    ["{ name: a, type: webhook }", /^w.yaml:6:7: .*config is not as it should be/],
    ["{ name: a, type: webhook, config: { url: 'ftp://x' } }", /config.url .*expected an http/],
    ["{ name: a, type: webhook, config: { url: 'http://u:p@x' } }", /config.url .*without user and password/],
    ["{ name: a b, type: webhook, config: { url: 'http://x' } }", /name is not as it should be/],
    ["{ name: a, type: webhook, config: { url: 'http://x', caBundle: bm8= } }", /caBundle .*PEM.* in base64/],
    ["{ name: a, type: webhook, config: { service: { name: x } } }", /config.service.namespace is not/],
  ])("has no receiver that cannot be, and the others: %s", async (receiver, message) => {
    const good = "{ name: good, type: webhook, config: { url: 'http://x' } }";
    const loaded = await receivers(receiver, good);
    expect(lines(loaded.refused)).toEqual([expect.stringMatching(message)]);
    expect(loaded.receivers.map(({ name }) => name)).toEqual(["good"]);
  });

  it("warns of a receiver of an unknown type", async () => {
    const loaded = await receivers("{ name: nm, type: notificationmanager, config: { url: 'http://x' } }");
    expect(loaded.receivers).toEqual([]);
    expect(lines(loaded.warnings)).toEqual([
      "w.yaml:6:25: Receivers of type notificationmanager are not known, only alertmanager and webhook; this one is left out.",
    ]);
  });

  it("refuses a receiver with another's name; a receiver without a name is called by its type", async () => {
    const hook = (url: string) => `{ type: webhook, config: { url: '${url}' } }`;
    const loaded = await receivers(hook("http://a"), hook("http://b"), hook("http://c").replace("{", "{ name: c,"));
    expect(loaded.receivers.map(({ name, url }) => [name, url])).toEqual([
      ["webhook", "http://a"],
      ["c", "http://c"],
    ]);
    expect(lines(loaded.refused)).toEqual([
      expect.stringMatching(
        /^w.yaml:7:\d+: Two receivers of the Webhook resource are called webhook, .*give this one another name/,
      ),
    ]);
  });

  it("is refused with an unknown priority, and the configuration's applies", async () => {
    const loaded = await load({ ...RULES, "w.yaml": webhook("{ alertingPriority: WARNNG }") });
    expect(lines(loaded.refused)).toEqual([
      expect.stringMatching(/^w.yaml:4:27: Webhook resource: alertingPriority is WARNNG, .*did you mean WARNING\?/),
    ]);
    expect(actions(loaded)).toMatchObject({ LWARNING: "archived,alerting" });
  });

  it("may be in a list, among rules or of its own kind", async () => {
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
  it("come after the files, as if they were in one, and errors name them", async () => {
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

  it("anchored needs no warning, and changes the hash", async () => {
    const files = { "a.yaml": resource([rule("R", 'ObjectRef.Name like "demo*"')]) };
    const upstream = await load(files);
    const anchored = await load(files, { like: "anchored" });
    expect(lines(upstream.warnings)).toEqual([expect.stringMatching(/found anywhere .* rules.like: anchored/)]);
    expect(lines(anchored.warnings)).toEqual([]);
    expect(anchored.set.hash).not.toBe(upstream.set.hash);
  });
});
