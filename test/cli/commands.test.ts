import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { serve } from "../support/serve.js";
import { commandLine } from "./fixture.js";

const cli = commandLine();

const RULES = `apiVersion: auditing.kubesphere.io/v1alpha1
kind: Rule
metadata: { name: mine, labels: { type: alerting } }
spec:
  rules:
    - name: SecretRead
      type: rule
      desc: someone reads secrets
      condition: Verb = "get" and ObjectRef.Resource = "secrets"
      priority: WARNING
      output: \${User.Username} reads \${ObjectRef.Name}
      enable: true
`;
const BROKEN = `${RULES}    - name: Broken
      type: rule
      condition: Verb = (
      priority: WARNING
      enable: true
`;

const event = (name: string, resource = "secrets") =>
  `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"id-${name}","stage":"ResponseComplete","requestURI":"/x","verb":"get","user":{"username":"eve"},"objectRef":{"resource":"${resource}","namespace":"shop","name":"${name}"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-11-20T10:00:00.000000Z","stageTimestamp":"2026-11-20T10:00:00.250000Z"}\n`;

const write = (name: string, text: string) => writeFile(cli.path(name), text);

describe("match", () => {
  it("prints one JSON line per match, with the event's number over all files", async () => {
    await write("rules.yaml", RULES);
    await write("a.log", event("one", "pods") + event("two"));
    await write("b.log", event("three"));
    expect(await cli.run("match", "--rules", cli.path("rules.yaml"), cli.path("a.log"), cli.path("b.log"))).toBe(0);
    const lines = cli.out.trim().split("\n");
    expect(JSON.parse(lines[0])).toEqual({
      n: 2,
      auditID: "id-two",
      stage: "ResponseComplete",
      rule: "SecretRead",
      resource: "mine",
      dialect: "kubesphere",
      priority: "WARNING",
      actions: ["archived", "alerting"],
      message: "eve reads two",
      time: "2026-11-20T10:00:00.250000000Z",
      fields: {},
      tags: [],
    });
    expect(lines.slice(1).map((line) => JSON.parse(line).n)).toEqual([3]);
    expect(cli.err).toBe("");
  });

  it("sums up: matches per rule, events, invalid lines", async () => {
    await write("rules.yaml", RULES);
    await write("a.log", `${event("one")}nonsense\n${event("two")}`);
    expect(await cli.run("match", "--summary", "--rules", cli.path("rules.yaml"), cli.path("a.log"))).toBe(0);
    expect(cli.out).toMatch(/^ {8}2 {2}SecretRead {2}WARNING +kubesphere$/m);
    expect(cli.out).toMatch(/^2 events, 1 invalid lines, 2 matches of 1 rules, [\d.]+ s$/m);
    expect(cli.err).toBe(`auditship: ${cli.path("a.log")}:2: no event (syntax)\n`);
  });

  it.each([
    ["match", ["--rules", "rules.yaml"]],
    ["explain", ["--rules", "rules.yaml"]],
    ["fields", ["--dialect", "falco"]],
  ])("%s names at most twenty invalid lines, never what is in them", async (command, [option, value]) => {
    await write("rules.yaml", RULES);
    await write("a.log", `${"hunter2\n".repeat(50)}${event("one")}`);
    const given = option === "--rules" ? cli.path(value) : value;
    expect(await cli.run(command, option, given, cli.path("a.log"))).toBe(0);
    expect(cli.err.trim().split("\n")).toHaveLength(21);
    expect(cli.err).toContain("30 more lines are no events");
    expect(cli.err).not.toContain("hunter2");
  });

  it("runs the other rules when one is refused, and says where that is", async () => {
    await write("rules.yaml", BROKEN);
    await write("a.log", event("one"));
    expect(await cli.run("match", "--rules", cli.path("rules.yaml"), cli.path("a.log"))).toBe(0);
    expect(JSON.parse(cli.out).rule).toBe("SecretRead");
    expect(cli.err).toMatch(/^auditship: .*rules\.yaml:15:\d+: .*\(AUDITSHIP_RULE_SYNTAX\)\n$/);
  });

  it("ends with 2 when a file or all rules are missing", async () => {
    await write("rules.yaml", RULES);
    expect(await cli.run("match", "--rules", cli.path("rules.yaml"), cli.path("none.log"))).toBe(2);
    expect(cli.err).toContain("none.log: cannot be read: there is no such file. (AUDITSHIP_INPUT)");
    expect(await cli.run("match", "--rules", cli.path("none.yaml"), cli.path("none.log"))).toBe(2);
    // Whoever gives them by an option has no configuration to look into.
    expect(cli.err).toMatch(
      /The rules cannot be read: ENOENT.+ Check the path and the rights to it\. \(AUDITSHIP_RULE_READ\)/,
    );
  });

  it("ends with 2 for a directory that holds no audit log: nothing was looked at", async () => {
    await write("rules.yaml", RULES);
    await mkdir(cli.path("elsewhere"));
    await write("elsewhere/audit.txt", "{}\n");
    expect(await cli.run("match", "--rules", cli.path("rules.yaml"), cli.path("elsewhere"))).toBe(2);
    expect(cli.err).toBe(
      `auditship: ${cli.path("elsewhere")}: holds no audit log: no file whose name ends in .log, .json, .jsonl or .ndjson, or in one of them and .gz. (AUDITSHIP_INPUT)\n`,
    );
  });
});

describe("check", () => {
  it("refuses a source webhook to which anybody might post unsaid, and says where it stands", async () => {
    await write(
      "auditship.yaml",
      "sources: { hook: { type: webhook, listen: 127.0.0.1:9443 } }\nsinks: { s: { type: file, path: out } }\n",
    );
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"))).toBe(2);
    expect(cli.err).toContain("auditship.yaml:1:18: sources.hook: say who may post");
  });

  const config = (sinks: string, more = "") =>
    write(
      "auditship.yaml",
      `sources: { api: { path: audit.log } }\nstate: state\nrules: { paths: [rules.yaml] }\n${more}sinks:\n${sinks}`,
    );

  it("says what the configuration would do", async () => {
    await write("rules.yaml", RULES);
    await write("audit.log", event("one"));
    await write("audit-2026-11-20T10-00-00.000.log", event("zero"));
    await config("  archive: { type: file, path: archive/audit.ndjson }\n");
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"))).toBe(0);
    expect(cli.out).toContain(`api  file  ${cli.path("audit.log")}: ${event("one").length} bytes, 1 backups`);
    expect(cli.out).toMatch(/^rules {10}1 in force, 0 off, 0 refused$/m);
    expect(cli.out).toContain("parse → workspace → match → redact");
    expect(cli.out).toContain("archive  file  takes all  answers");
  });

  it("says what is watched beside the files, and takes an archive whose rules may yet come from there", async () => {
    await write(
      "auditship.yaml",
      `sources: { api: { path: audit.log } }
state: state
rules: { watch: true, namespaces: [one, two] }
sinks: { archive: { type: file, path: archive/audit.ndjson, select: archived } }
`,
    );
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"))).toBe(0);
    expect(cli.out).toContain("beside what is watched: Rule resources of one, two, and Webhook resources");
  });

  it("waits for a log that is not there", async () => {
    await write("rules.yaml", RULES);
    await config("  archive: { type: file, path: archive/audit.ndjson }\n");
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"))).toBe(0);
    expect(cli.out).toContain("not there yet; the agent waits for it");
  });

  it("ends with 1 if a sink does not answer, and asks the others", async () => {
    const up = await serve((_, response) => response.end("{}"));
    await write("rules.yaml", RULES);
    await config(
      `  up: { type: webhook, url: "${up}" }\n  down: { type: alertmanager, urls: ["http://127.0.0.1:9"] }\n`,
    );
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"))).toBe(1);
    expect(cli.out).toContain("up  webhook  takes alerting  answers");
    expect(cli.out).toMatch(/down {2}alertmanager {2}takes alerting {2}does not answer: /);
  });

  it("ends with 2 for errors in rules and conditions, each with its place", async () => {
    await write("rules.yaml", BROKEN);
    await config("  archive: { type: file, path: a, select: 'Verb = ' }\n");
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"))).toBe(2);
    expect(cli.err).toMatch(/^auditship: .*rules\.yaml:15:\d+: /m);
    expect(cli.err).toMatch(/^auditship: .*auditship\.yaml:5:\d+: sinks\.archive\.select: .*of the condition/m);
  });

  it("ends with 2 for a sink that cannot be made of its options", async () => {
    await write("rules.yaml", RULES);
    await config(`  es: { type: elasticsearch, urls: ["http://127.0.0.1:9"], index: "audit-{cluster}-{date}" }\n`);
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"))).toBe(2);
    expect(cli.err).toMatch(/^auditship: .*auditship\.yaml:5:\d+: sinks\.es: index .*needs a cluster's name/m);
  });

  it("makes nothing where a sink would write", async () => {
    await write("rules.yaml", RULES);
    await config("  archive: { type: file, path: archive/deep/audit.ndjson }\n");
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"))).toBe(0);
    expect((await readdir(cli.directory)).sort()).toEqual(["auditship.yaml", "rules.yaml"]);
  });

  it("warns of stages in an order that loses something", async () => {
    await write("rules.yaml", RULES.replace("Verb =", 'Workspace = "team-a" and Verb ='));
    await config("  archive: { type: file, path: a }\n", "stages: [match, workspace]\n");
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"))).toBe(0);
    expect(cli.out).toContain("warning: there is no redact stage");
    expect(cli.out).toContain("warning: workspace runs after match");
  });

  it("warns of a redaction that is turned off, and refuses one that the agent would not start with", async () => {
    await write("rules.yaml", RULES);
    const stages = (redact: object) => `stages: ${JSON.stringify(["match", { redact }])}\n`;
    const check = async (redact: object) => {
      await config("  archive: { type: file, path: a }\n", stages(redact));
      return cli.run("check", "-c", cli.path("auditship.yaml"));
    };
    expect(await check({ profile: "off" })).toBe(0);
    expect(cli.out).toContain("warning: redact has profile off: secrets leave this node in clear text");
    expect(await check({ rules: [{ resources: ["x"], paths: ["a b"] }] })).toBe(2);
    expect(cli.err).toMatch(/auditship.yaml:\d+:\d+: stages.1: redact: rules: the path "a b" cannot be read/);
    expect(await check({ hash: { keyFile: "none" } })).toBe(2);
    expect(cli.err).toMatch(/stages.1: redact: the key file .*none cannot be read/);
  });

  it("refuses a budget of memory that an agent would not start with", async () => {
    await config("  archive: { type: file, path: a }\n", "memory: { buffers: 1KiB }\n");
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"))).toBe(2);
    expect(cli.err).toMatch(/auditship.yaml:\d+:\d+: memory.buffers: it is too small for 1 sources and 1 sinks/);
  });

  it("refuses to select what is archived where no rule archives", async () => {
    await write("rules.yaml", "");
    await config("  archive: { type: file, path: a, select: archived }\n");
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"))).toBe(2);
    expect(cli.err).toContain("sinks.archive.select is archived, but no rule archives anything");
  });

  it("checks rules alone", async () => {
    await write("rules.yaml", RULES);
    expect(await cli.run("check", "--rules", cli.path("rules.yaml"))).toBe(0);
    expect(cli.out).toMatch(
      /^rules {10}1 in force, 0 off, 0 refused\n {2}.*rules\.yaml {2}1\n {4}mine\.SecretRead {2}WARNING {2}archived, alerting {2}kubesphere\n$/,
    );
    await write("rules.yaml", BROKEN);
    cli.out = "";
    expect(await cli.run("check", "--rules", cli.path("rules.yaml"))).toBe(2);
    expect(cli.out).toMatch(/^rules {10}1 in force, 0 off, 1 refused\n {2}.*\n {4}mine\.SecretRead .*\n$/);
  });

  it("underlines what is wrong in a rule, in a long line too", async () => {
    const long = `${'Verb = "a" or '.repeat(100)}Verb = create and ${'Verb = "b" or '.repeat(100)}Verb = "c"`;
    await write("rules.yaml", BROKEN.replace("Verb = (", 'Verb = "a" AND Level = "b"'));
    expect(await cli.run("check", "--rules", cli.path("rules.yaml"))).toBe(2);
    expect(cli.err).toMatch(/^auditship: .*\n {10}condition: Verb = "a" AND Level = "b"\n {32}\^\^\^\n$/);
    cli.err = "";
    await write("rules.yaml", BROKEN.replace("Verb = (", `'${long}'`));
    expect(await cli.run("check", "--rules", cli.path("rules.yaml"))).toBe(2);
    const [, shown, marks] = cli.err.split("\n");
    expect(shown).toHaveLength(104);
    expect(shown.slice(marks.indexOf("^"), marks.length)).toBe("create");
  });

  it("shows the label workspace, and names rules that an audit policy leaves in vain", async () => {
    await write(
      "rules.yaml",
      RULES.replace("type: alerting", "type: alerting, workspace: w").replace('Verb = "get"', "RequestObject.a exists"),
    );
    await write("policy.yaml", "kind: Policy\nrules: [{ level: Metadata }]\n");
    expect(await cli.run("check", "--rules", cli.path("rules.yaml"), "--audit-policy", cli.path("policy.yaml"))).toBe(
      0,
    );
    expect(cli.out).toMatch(/^ {4}mine\.SecretRead {2}WARNING {2}archived, alerting {2}kubesphere {2}workspace w$/m);
    expect(cli.out).toMatch(
      /^warning: .*rules\.yaml:6:13: Rule mine\.SecretRead: it never matches under the audit policy /m,
    );
  });

  it("ends with 2 for an audit policy that is not there, or is none, or that no rules are given for", async () => {
    await write("rules.yaml", RULES);
    const rules = ["--rules", cli.path("rules.yaml")];
    expect(await cli.run("check", ...rules, "--audit-policy", cli.path("none.yaml"))).toBe(2);
    expect(cli.err).toMatch(
      /^auditship: .*none\.yaml: The audit policy cannot be read: ENOENT.*\(AUDITSHIP_RULE_READ\)\n$/,
    );
    cli.err = "";
    expect(await cli.run("check", ...rules, "--audit-policy", cli.path("rules.yaml"))).toBe(2);
    expect(cli.err).toContain("This is no audit policy");
    await config("  archive: { type: file, path: a }\n", "rules: { auditPolicy: none.yaml }\n");
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"))).toBe(2);
    expect(await cli.run("check", "-c", cli.path("auditship.yaml"), "--audit-policy", cli.path("rules.yaml"))).toBe(2);
    expect(cli.err).toContain("--audit-policy goes with --rules");
  });
});

describe("setup", () => {
  it("says for each sink what was done, and ends with 1 if one could not be set up", async () => {
    await write(
      "auditship.yaml",
      `sources: { api: { path: audit.log } }\nsinks:\n  local: { type: file, path: a }\n  es: { type: elasticsearch, urls: ["http://127.0.0.1:9"] }\n`,
    );
    expect(await cli.run("setup", "-c", cli.path("auditship.yaml"), "--sink", "local")).toBe(0);
    expect(cli.out).toBe("local: nothing to set up\n");
    expect(await cli.run("setup", "-c", cli.path("auditship.yaml"))).toBe(1);
    expect(cli.err).toMatch(/^auditship: es: failed: .+ \(AUDITSHIP_SETUP\)$/m);
  });
});

describe("dlq", () => {
  it("show says on stderr that there is no such dead letter: its output is the letters", async () => {
    await writeFile(
      cli.path("auditship.yaml"),
      "sources: { a: { path: audit.log } }\nstate: state\nsinks: { s: { type: file, path: out } }\n",
    );
    expect(await cli.run("dlq", "show", "-c", cli.path("auditship.yaml"), "--id", "unknown")).toBe(0);
    expect([cli.out, cli.err]).toEqual(["", "auditship: no dead letters\n"]);
  });

  it.each(["5", "2026-11-20", "2026-11-20T00:00:00", "2026-13-20T00:00:00Z"])("takes no time %j", async (time) => {
    expect(await cli.run("dlq", "list", "-c", "none.yaml", "--since", time)).toBe(2);
    expect(cli.err).toContain("It must be an RFC 3339 time such as 2026-11-20T00:00:00Z");
  });
});

describe("simulate", () => {
  it("says that its log cannot be written", async () => {
    await write("file", "");
    const path = cli.path("file/audit.log");
    expect(await cli.run("simulate", "--path", path, "--events", "1", "--seed", "7")).toBe(1);
    expect(cli.err.split("\n")[1]).toMatch(/file\/audit\.log: the log cannot be written: .+ \(AUDITSHIP_OUTPUT\)$/);
  });

  it("writes the events that were asked for", async () => {
    const path = cli.path("audit/audit.log");
    expect(await cli.run("simulate", "--path", path, "--events", "30", "--rate", "10000", "--seed", "7")).toBe(0);
    expect((await readFile(path, "utf8")).trim().split("\n")).toHaveLength(30);
    expect(cli.err).toContain("wrote 30 events");
  });
});
