import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { requireArchivingRules } from "../../src/config/load.js";
import { load, minimal } from "./fixture.js";

describe("a configuration", () => {
  it("has a default for everything but the source's path and the sinks", async () => {
    const { loaded } = await load(minimal());
    expect(loaded.config).toMatchObject({
      state: "/var/lib/auditship",
      node: hostname(),
      memory: { buffers: 32 * 1024 * 1024 },
      maxLine: 24 * 1024 * 1024,
      rules: { archivingPriority: "DEBUG", alertingPriority: "WARNING" },
      observe: { listen: "127.0.0.1:9110", log: "info" },
    });
    expect(loaded.sources).toMatchObject([
      { name: "apiserver", options: { path: "/var/log/audit.log", pin: false }, common: { startAt: "beginning" } },
    ]);
    expect(loaded.stages.map((stage) => stage.name)).toEqual(["parse", "workspace", "match", "redact"]);
  });

  it("waits one second for company, fifty milliseconds where a sink takes alerts", async () => {
    const { loaded } = await load(minimal("  pager: { type: alertmanager, urls: [http://am:9093] }\n"));
    expect(
      loaded.sinks.map(({ name, common }) => [name, common.select, common.request.maxWait, common.startAt]),
    ).toEqual([
      ["archive", "all", 1000, undefined],
      ["pager", "alerting", 50, "end"],
    ]);
  });

  it("prefers what a sink says to what its plugin defaults to", async () => {
    const { loaded } = await load(
      minimal(
        "    select: alerting\n    startAt: beginning\n    request: { maxWait: 2s, maxBytes: 1MB }\n    retention: 7d\n",
      ),
    );
    expect(loaded.sinks[0].common).toMatchObject({
      select: "alerting",
      startAt: "beginning",
      request: { maxWait: 2000, maxBytes: 1_000_000 },
    });
    expect(loaded.sinks[0].options).toEqual({ urls: ["http://es:9200"], retention: 7 * 86_400_000 });
  });

  it("gives a stage its options", async () => {
    const { loaded } = await load(
      minimal("stages: [parse, { workspace: { static: { shop: team-a } } }, { match: }]\n"),
    );
    expect(loaded.stages.map(({ name, options }) => [name, options])).toEqual([
      ["parse", {}],
      ["workspace", { static: { shop: "team-a" } }],
      ["match", {}],
    ]);
  });

  it("takes relative paths from the file's directory", async () => {
    const { loaded, directory } = await load(minimal("state: state\nrules: { paths: [rules, /etc/rules] }\n"));
    expect(loaded.config.state).toBe(join(directory, "state"));
    expect(loaded.config.rules.paths).toEqual([join(directory, "rules"), "/etc/rules"]);
    expect(loaded.resolve("../x")).toBe(join(directory, "../x"));
  });

  it("follows anchors and aliases", async () => {
    const { loaded } = await load(
      minimal("    request: &r { maxEvents: 7 }\n  second: { type: elasticsearch, urls: [http://b:1], request: *r }\n"),
    );
    expect(loaded.sinks.map((sink) => sink.common.request.maxEvents)).toEqual([7, 7]);
  });

  it("that selects what is archived needs a rule that archives", async () => {
    const { loaded } = await load(minimal("    select: archived\n"));
    expect(() => requireArchivingRules(loaded, true)).not.toThrow();
    expect(() => requireArchivingRules(loaded, false)).toThrow(
      "sinks.archive.select is archived, but no rule archives",
    );
  });
});

describe("an environment variable in a configuration", () => {
  it("takes the place of ${NAME}, also within a text", async () => {
    const { loaded } = await load(minimal("cluster: prod-${ZONE}-${N}\n"), { ZONE: "eu", N: "1" });
    expect(loaded.config.cluster).toBe("prod-eu-1");
  });

  it("falls back to the default when it is unset or empty", async () => {
    const text = minimal("cluster: ${A:-one}\nnode: ${B:-two}\n");
    expect((await load(text, { B: "" })).loaded.config).toMatchObject({ cluster: "one", node: "two" });
    expect((await load(text, { A: "a", B: "b" })).loaded.config).toMatchObject({ cluster: "a", node: "b" });
  });

  it("is left alone behind $${", async () => {
    const { loaded } = await load(minimal("cluster: $${NOT_ME}\n"));
    expect(loaded.config.cluster).toBe("${NOT_ME}");
  });

  it("cannot add keys, whatever it holds", async () => {
    const { loaded } = await load(minimal("cluster: ${EVIL}\n"), { EVIL: 'x"\nstate: /tmp/evil\nsinks: {}' });
    expect(loaded.config.cluster).toBe('x"\nstate: /tmp/evil\nsinks: {}');
    expect(loaded.config.state).toBe("/var/lib/auditship");
  });

  it("may hold a number or a yes or no where the key takes one, and stays text where it takes text", async () => {
    const sink = "    request: { maxEvents: '${N}', maxBytes: '${N}' }\n    required: ${YES}\n";
    const text = minimal(`${sink}cluster: \${N}\n`);
    const { loaded } = await load(text, { N: "5000", YES: "false" });
    expect(loaded.sinks[0].common).toMatchObject({ required: false, request: { maxEvents: 5000, maxBytes: 5000 } });
    expect(loaded.config.cluster).toBe("5000");
  });
});
