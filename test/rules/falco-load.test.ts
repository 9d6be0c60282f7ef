import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LoadOptions } from "../../src/rules/index.js";
import { describeMatch, loadRules } from "../../src/rules/index.js";
import { batchOf } from "./events.js";
import { alertsOf } from "./falco.js";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "falco-"));
});
afterEach(() => rm(directory, { recursive: true }));

async function load(text: string, options: Partial<LoadOptions> = {}) {
  const file = join(directory, "r.yaml");
  await writeFile(file, text);
  const loaded = await loadRules({
    paths: [file],
    archivingPriority: "DEBUG",
    alertingPriority: "WARNING",
    dialect: "falco",
    ...options,
  });
  const line = (told: { line(): string }) => told.line().replace(`${directory}/`, "");
  return { ...loaded, refused: loaded.refused.map(line), warnings: loaded.warnings.map(line) };
}

const rule = (name: string, condition: string, more = "") =>
  `- rule: ${name}\n  desc: d\n  condition: ${condition}\n  output: "%ka.verb by %ka.user.name"\n  priority: WARNING\n  source: k8s_audit\n${more}`;

const GET = JSON.stringify({
  auditID: "x",
  verb: "get",
  user: { username: "bob" },
  stageTimestamp: "2024-05-01T00:00:00Z",
});

describe("Falco's rules files", () => {
  it("make alerts with message, fields and tags", async () => {
    const loaded = await load(rule("A", "ka.verb=get", "  tags: [b, a]\n"));
    expect(alertsOf(loaded, [GET])).toEqual([
      {
        n: 1,
        auditID: "x",
        stage: null,
        rule: "A",
        resource: undefined,
        dialect: "falco",
        priority: "Warning",
        actions: ["archived", "alerting"],
        message: "get by bob",
        time: "2024-05-01T00:00:00.000000000Z",
        fields: { "ka.verb": "get", "ka.user.name": "bob" },
        tags: ["a", "b"],
      },
    ]);
  });

  it("cause one warning for all rules of another source", async () => {
    const foreign = (name: string) => rule(name, "evt.type=open").replace("k8s_audit", "syscall");
    const loaded = await load(foreign("S") + foreign("T") + rule("A", "ka.verb=get"));
    expect(loaded.warnings).toEqual([
      "r.yaml:1:9: 2 rules are for the source syscall and left out; only those for k8s_audit run here (LOAD_UNKNOWN_SOURCE).",
    ]);
    expect(loaded.set.size).toBe(1);
  });

  it("leave out rules that are below minPriority or turned off", async () => {
    const text = rule("A", "ka.verb=get").replace("WARNING", "NOTICE") + rule("B", "ka.verb=get");
    const low = await load(text, { falco: { minPriority: "Warning" } });
    expect(alertsOf(low, [GET]).map((alert) => alert.rule)).toEqual(["B"]);
    const off = await load(rule("A", "ka.verb=get", "  enabled: false\n") + rule("B", "ka.verb=get"));
    expect(alertsOf(off, [GET]).map((alert) => alert.rule)).toEqual(["B"]);
  });

  it("keep the order of first definitions", async () => {
    const text = rule("A", "ka.verb=x") + rule("B", "ka.verb=get") + rule("A", "ka.verb=get");
    expect(alertsOf(await load(text), [GET]).map((alert) => alert.rule)).toEqual(["A"]);
    const all = await load(text, { falco: { matching: "all" } });
    expect(alertsOf(all, [GET]).map((alert) => alert.rule)).toEqual(["A", "B"]);
  });

  it("refuse rules with errors, giving the place, and run the others", async () => {
    const loaded = await load(
      `${rule("A", "ka.vrb=get") + rule("B", "ka.verb=get and mcro") + rule("C", "ka.verb=get")}- macro: macr\n  condition: ka.verb=(\n- list: l\n`,
    );
    expect(loaded.refused).toEqual([
      "r.yaml:21:3: List l: It has no items (LOAD_ERR_YAML_VALIDATE). (AUDITSHIP_RULE_INVALID)",
      expect.stringMatching(/^r.yaml:20:22: Macro macr: expected a text/),
      expect.stringMatching(/^r.yaml:3:14: Rule A: there is no field ka.vrb; did you mean ka.verb\?/),
      expect.stringMatching(/^r.yaml:9:30: Rule B: there is no macro mcro/),
    ]);
    expect(loaded.set.size).toBe(1);
  });

  it("name the place in an output", async () => {
    const loaded = await load(rule("A", "ka.verb=get").replace("%ka.verb by", "verb %ka.vrb by"));
    expect(loaded.refused).toEqual([
      expect.stringMatching(/^r.yaml:4:18: Rule A: there is no field ka.vrb; did you mean/),
    ]);
    const unknown = rule("A", "ka.vrb=get", "  skip-if-unknown-filter: true\n");
    expect((await load(unknown)).warnings).toEqual([expect.stringContaining("(LOAD_UNKNOWN_FILTER)")]);
  });

  it("leave out what needs a newer engine, or an unknown plugin", async () => {
    const newer = await load(`- required_engine_version: 0.99.0\n${rule("A", "ka.verb=get")}`);
    expect(newer.refused).toEqual([expect.stringMatching(/^r.yaml:1:28: Item: These rules need version 0.99.0/)]);
    expect(newer.set.size).toBe(0);
    const plugin = await load(
      `- required_plugin_versions:\n  - {name: okta, version: 0.1.0}\n${rule("A", "ka.verb=get")}`,
    );
    expect(plugin.refused).toEqual([expect.stringContaining("need the plugin okta 0.1.0")]);
    const known =
      "- required_plugin_versions:\n  - {name: okta, version: 0.1.0, alternatives: [{name: k8saudit, version: 0.7.0}]}\n";
    expect((await load(known + rule("A", "ka.verb=get"))).set.size).toBe(1);
  });

  it("name more urgent rules that an earlier one can hide, if only the first counts", async () => {
    const low = (name: string, condition: string) => rule(name, condition).replace("WARNING", "NOTICE");
    const text =
      low("Off", "jevt.rawtime=0 and ka.verb=get") +
      low("Pods", "ka.target.resource=pods and ka.verb=get") +
      rule("Exec", "ka.target.resource=pods and ka.target.subresource=exec") +
      rule("Secrets", "ka.target.resource=secrets") +
      rule("Change", "ka.verb in (create, patch)") +
      rule("Any", "ka.user.name=bob");
    const hides =
      "r.yaml:7:9: Rule Pods (Notice) stands before Exec (Warning), Any (Warning): with matching: first it hides";
    expect((await load(text)).warnings).toEqual([expect.stringContaining(hides)]);
    expect((await load(text, { falco: { matching: "all" } })).warnings).toEqual([]);
  });

  it("warn of what looks like something else", async () => {
    const loaded = await load(
      rule("A", 'ka.verb=ka.uri or ka.verb="<NA>" or ka.verb regex "get.*" or ka.verb="tolower(x)"'),
    );
    expect(loaded.warnings.map((line) => /\((\w+)\)\.$/.exec(line)?.[1])).toEqual([
      "LOAD_COMPILE_CONDITION",
      "LOAD_UNSAFE_NA_CHECK",
      "LOAD_COMPILE_CONDITION",
      "LOAD_COMPILE_CONDITION",
    ]);
  });
});

describe("messages", () => {
  const message = async (output: string, event: unknown): Promise<string> => {
    const loaded = await load(
      rule("A", "jevt.obj exists").replace(/output: .*/, () => `output: ${JSON.stringify(output)}`),
    );
    expect(loaded.refused).toEqual([]);
    return alertsOf(loaded, [JSON.stringify(event)])[0].message;
  };

  it("show absent fields, lists, transformers, arguments and widths", async () => {
    const event = { auditID: "x", verb: "get", requestURI: "/a?q=1", user: { groups: ["a", "b"] } };
    expect(await message("*%ka.verb. %ka.target.name %ka.user.groups", event)).toBe("get. <NA> (a,b)");
    expect(await message("%toupper(ka.verb)/%ka.uri.param[q]%ka.verbs", { ...event })).toBe("GET/1gets");
    expect(await message("%5ka.verb|%2ka.verb|%len(ka.user.groups)", event)).toBe("get  |ge|2");
    expect(await message('%join("-", ka.user.groups)', event)).toBe("a-b");
  });

  it("cut lists at 1,023 bytes", async () => {
    const shown = await message("%ka.user.groups", { auditID: "x", user: { groups: ["a".repeat(2000)] } });
    expect(shown).toBe(`(${"a".repeat(1022)}`);
  });

  it("show what redaction left, while rules saw the original", async () => {
    const output =
      "%ka.req.configmap.obj %jevt.value[/requestObject/data/k] %jevt.obj %tolower(ka.uri) %ka.uri.param[t]";
    const text = rule("A", 'ka.req.configmap.obj contains "TOPSECRET"').replace(
      /output: .*/,
      () => `output: "${output}"`,
    );
    const loaded = await load(text);
    expect(loaded.refused).toEqual([]);
    const line = '{"auditID":"x","requestURI":"/a?t=TOPSECRET","requestObject":{"data":{ "k": "TOPSECRET" }}}';
    const batch = batchOf(line);
    loaded.set.evaluate(batch);
    for (let at = line.indexOf("TOPSECRET"); at >= 0; at = line.indexOf("TOPSECRET", at + 1))
      batch.edit(0, at, at + 9, Buffer.from("gone"));
    const alert = JSON.stringify(describeMatch(batch.matches(0)[0], batch.at(0), 1));
    expect(alert.toUpperCase()).not.toContain("TOPSECRET");
    const { message, fields } = JSON.parse(alert);
    expect(message).toContain('{"k":"gone"} gone {');
    expect(message).toContain("/a?t=gone gone");
    expect(fields["jevt.value[/requestObject/data/k]"]).toBe("gone");
  });

  it("refuse a % without a field", async () => {
    const bad = await load(rule("A", "ka.verb=get").replace(/output: .*/, 'output: "100%"'));
    expect(bad.refused).toEqual([expect.stringMatching(/^r.yaml:4:15: Rule A: a % with nothing behind it/)]);
  });
});

describe("hostile rules files are refused or run within bounds", () => {
  const nested = (open: string, times: number) => `${open.repeat(times)}ka.verb=get${")".repeat(times)}`;
  const many = (times: number, of: (i: number) => string, between = "") =>
    Array.from({ length: times }, (_, i) => of(i)).join(between);

  it("nested parentheses, negations and transformers", async () => {
    for (const open of ["(", "not("]) {
      expect((await load(rule("A", nested(open, 100_000)))).refused).toEqual([
        expect.stringContaining("nested deeper than 1000"),
      ]);
      const loaded = await load(rule("A", nested(open, 990)));
      expect(loaded.refused).toEqual([]);
      expect(alertsOf(loaded, [GET])).toHaveLength(1);
    }
    expect((await load(rule("A", `${"not ".repeat(100_000)}ka.verb=get`))).set.size).toBe(1);
    expect((await load(rule("A", `${"tolower(".repeat(100_000)}ka.verb`))).refused).toHaveLength(1);
  });

  it("a megabyte of condition", async () => {
    const loaded = await load(
      rule(
        "A",
        many(40_000, (i) => `ka.verb=verb${i}`, " or "),
      ),
    );
    expect(alertsOf(loaded, [GET, GET.replace("get", "verb39999")]).map(({ n }) => n)).toEqual([2]);
    const long = await load(rule("A", `ka.verb in (${many(400_000, (i) => `verb${i}`, ", ")})`));
    expect(long.refused).toEqual([expect.stringContaining("more than 2097152 characters")]);
  });

  it("what is appended to 10,000 times", async () => {
    const times = 10_000;
    const appended = many(
      times,
      (i) => `- rule: A\n  condition: or ka.verb=verb${i}\n  override: { condition: append }\n`,
    );
    const listed = many(times, (i) => `- list: l\n  items: [user${i}]\n  override: { items: append }\n`);
    const text = `- list: l\n  items: [bob]\n${rule("A", "ka.user.name in (l)")}${appended}${listed}`;
    const verb = GET.replace("bob", "eve").replace("get", `verb${times - 1}`);
    const last = GET.replace("bob", `user${times - 1}`);
    expect(alertsOf(await load(text), [GET, GET.replace("bob", "eve"), verb, last]).map(({ n }) => n)).toEqual([
      1, 3, 4,
    ]);
  });

  it("macros that double, that go deep, that refer to themselves", async () => {
    const doubling = many(
      40,
      (i) => `- macro: m${i}\n  condition: ${i === 0 ? "ka.verb=get" : `m${i - 1} and m${i - 1}`}\n`,
    );
    expect((await load(doubling + rule("A", "m39"))).set.size).toBe(0);
    const deep = many(1200, (i) => `- macro: m${i}\n  condition: ${i === 0 ? "ka.verb=get" : `not m${i - 1}`}\n`);
    expect(alertsOf(await load(`${deep}${rule("A", "not m1199")}`), [GET])).toHaveLength(1);
    const cycle = "- macro: a\n  condition: b\n- macro: b\n  condition: a\n- macro: a\n  condition: b\n";
    expect((await load(cycle + rule("A", "a"))).refused[0]).toContain("refers to itself: b → a → b");
  });

  it("lists that blow up, and YAML anchors that do", async () => {
    const list = `- list: l\n  items: [${many(50_000, (i) => `x${i}`, ", ")}]\n`;
    const blown = await load(
      list +
        rule(
          "A",
          many(1000, () => "ka.verb in (l)", " or "),
        ),
    );
    expect(blown.refused).toEqual([expect.stringContaining("more than 2097152 characters with all lists expanded")]);
    const laugh = many(9, (i) => `- &a${i} [${many(9, () => (i === 0 ? "x" : `*a${i - 1}`), ", ")}]\n`);
    expect((await load(laugh + rule("A", "ka.verb=get"))).refused).toEqual([
      expect.stringContaining("This is not valid YAML"),
    ]);
  });

  it("patterns that other engines never finish", async () => {
    const loaded = await load(rule("A", 'ka.verb regex "(a*)*(b*)*((c*)*)*d"'));
    expect(alertsOf(loaded, [JSON.stringify({ auditID: "x", verb: "a".repeat(100_000) })])).toEqual([]);
  });
});

describe("hostile events", () => {
  it("harm no rule", async () => {
    const fields =
      "%ka.req.pod.containers.image %ka.req.role.rules.verbs %ka.req.pod.volumes.volume_type %jevt.obj %ka.req.configmap.obj";
    const text = rule("A", "jevt.rawtime exists or not jevt.rawtime exists").replace(
      /output: .*/,
      `output: "${fields}"`,
    );
    const loaded = await load(text);
    const deep = (value: string) => `{"auditID":"x","requestObject":${value}}`;
    const lines = [
      deep("[".repeat(10_000) + "]".repeat(10_000)),
      deep(`${'{"spec":'.repeat(10_000)}1${"}".repeat(10_000)}`),
      deep(`{"spec":{"containers":${"[".repeat(10_000)}${"]".repeat(10_000)}}}`),
      deep('{"__proto__":{"spec":{"containers":[{"image":"i"}]}},"constructor":1,"rules":{"__proto__":[]}}'),
      '{"auditID":"x","verb":"\\ud800","user":{"username":"\\u0000"},"responseStatus":{"code":1e400}}',
      '{"auditID":[],"verb":{},"user":[],"objectRef":7,"annotations":"x","requestObject":null,"stageTimestamp":{}}',
      "{}",
    ];
    const alerts = alertsOf(loaded, lines);
    expect(alerts.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(alerts[3].message).toContain("<NA> <NA> <NA> {");
  });
});
