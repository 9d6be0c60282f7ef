import { mkdir, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { commandLine } from "./fixture.js";
import { event, RULES } from "./rules.js";

const cli = commandLine();

async function files(...lines: string[]): Promise<string[]> {
  await writeFile(cli.path("rules.yaml"), RULES);
  await writeFile(cli.path("a.log"), lines.join(""));
  return ["explain", "--rules", cli.path("rules.yaml"), cli.path("a.log")];
}

describe("explain", () => {
  it("shows every part of a condition with its value, and each test with what it saw", async () => {
    const args = await files(event("one"));
    expect(await cli.run(...args)).toBe(0);
    const at = cli.path("rules.yaml");
    expect(cli.out).toBe(`event 1  id-one  ResponseComplete  eve  get  /x
  mine.SecretRead  WARNING  matches  ${at}:6
    yes    and
      yes    Verb = "get"   "get"
      yes    ObjectRef.Resource = "secrets"   "secrets"

  mine.Token  INFO  does not match  ${at}:13
    no     and
      no     or
        no     RequestObject.data.token = "hunter2"   (missing)
        no     User.groups[*] = "ops"   "dev"
      yes    not
        no     Verb = "watch"   "get"

`);
  });

  it("tells a value that is empty from one that is not there, and one that fails a test", async () => {
    await files(event("one", { userAgent: undefined, user: {} }));
    const rules = RULES.replace('Verb = "get" and', 'UserAgent = "" and User.username = "" and Verb > 5 and');
    await writeFile(cli.path("rules.yaml"), rules);
    await cli.run("explain", "--rules", cli.path("rules.yaml"), "--rule", "SecretRead", cli.path("a.log"));
    expect(cli.out).toContain('yes    UserAgent = ""   ""\n');
    expect(cli.out).toContain('no     User.username = ""   (missing)\n');
    expect(cli.out).toContain('failed Verb > 5   "get"\n');
    expect(cli.out).toContain("mine.SecretRead  WARNING  fails");
  });

  it("says which log of an agent cannot be read", async () => {
    await writeFile(cli.path("rules.yaml"), RULES);
    const log = cli.path(`${"a".repeat(300)}/audit.log`);
    const config = {
      sources: { a: { path: log } },
      rules: { paths: ["rules.yaml"] },
      sinks: { o: { type: "stdout" } },
    };
    await writeFile(cli.path("auditship.yaml"), JSON.stringify(config));
    expect(await cli.run("explain", "-c", cli.path("auditship.yaml"))).toBe(2);
    expect(cli.err).toContain(`auditship: ${log}: cannot be read: ENAMETOOLONG`);
  });

  it("keeps to one rule and one event, and says so if there is none", async () => {
    const args = await files(event("one"), "nonsense\n", event("two"));
    expect(await cli.run(...args, "--rule", "mine.Token", "--event", "2")).toBe(0);
    expect(cli.out.match(/^event.*$/gm)).toEqual([expect.stringContaining("event 2  id-two")]);
    expect(cli.out).not.toContain("SecretRead");
    expect(await cli.run(...args, "--event", "3")).toBe(2);
    expect(cli.err).toContain("there is no event 3; the files have 2.");
    expect(await cli.run(...args, "--rule", "Tokn")).toBe(2);
    expect(cli.err).toContain("no rule that runs is named Tokn; did you mean Token?");
    expect(await cli.run(...args, "--event", "0")).toBe(2);
  });

  it("shows what would leave with --redact, as lines of JSON too", async () => {
    const secret = { requestObject: { kind: "Secret", data: { token: "hunter2" } } };
    const args = await files(event("one", secret));
    expect(await cli.run(...args, "--rule", "Token", "--redact", "default", "--json")).toBe(0);
    expect(cli.out).not.toContain('"saw":"hunter2"');
    expect(JSON.parse(cli.out)).toMatchObject({
      n: 1,
      auditID: "id-one",
      rule: "Token",
      resource: "mine",
      dialect: "kubesphere",
      condition: {
        text: "and",
        outcome: "yes",
        parts: [{ outcome: "yes", parts: [{ outcome: "yes", saw: expect.stringMatching(/^hmac:/) }, {}] }, {}],
      },
    });
  });

  it("names the rule that comes first where Falco's count only once", async () => {
    const args = await files(event("one"));
    const falco = (name: string) =>
      `- rule: ${name}\n  desc: d\n  condition: ka.verb = get\n  output: o\n  priority: WARNING\n  source: k8s_audit\n`;
    await writeFile(cli.path("rules.yaml"), falco("A") + falco("B"));
    expect(await cli.run(...args)).toBe(0);
    expect(cli.out).toMatch(/^ {2}A {2}\w+ {2}matches {2}/m);
    expect(cli.out).toMatch(/^ {2}B {2}\w+ {2}matches, but A comes first/m);
    expect(cli.out).toContain('yes    ka.verb = get   "get"');
  });

  /** A log with a backup, and the configuration of an agent that reads it. */
  async function agent(...stages: string[]): Promise<string> {
    const secret = { requestObject: { kind: "Secret", data: { token: "hunter2" } } };
    await mkdir(cli.path("log"));
    await writeFile(cli.path("rules.yaml"), RULES);
    await writeFile(cli.path("log/audit-2026-11-20T10-00-00.000.log.gz"), gzipSync(event("one", secret)));
    await writeFile(cli.path("log/audit.log"), event("two", secret) + event("two", { stage: "RequestReceived" }));
    await writeFile(
      cli.path("auditship.yaml"),
      `sources: { apiserver: { path: log } }\nstate: state\nrules: { paths: [rules.yaml] }\n` +
        `stages: [${stages}]\nsinks: { out: { type: stdout } }\n`,
    );
    return cli.path("auditship.yaml");
  }

  it("beside an agent takes its rules, its log and its redaction", async () => {
    const config = await agent("parse", "match", "redact");
    expect(await cli.run("explain", "-c", config, "--rule", "Token")).toBe(0);
    expect(cli.out.match(/id-\w+/g)).toEqual(["id-one", "id-two", "id-two"]);
    expect(cli.out).toContain('yes    RequestObject.data.token = "hunter2"   "hmac:');
    expect(cli.out).not.toContain('   "hunter2"');
    expect(cli.out).toContain("and does not look at this stage (rules.stages)");
  });

  it("keeps to the events of one auditID, and says so if there are none", async () => {
    const args = ["explain", "-c", await agent("parse", "match", "redact"), "--rule", "SecretRead", "--json"];
    expect(await cli.run(...args, "--audit-id", "id-two")).toBe(0);
    expect(
      cli.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { n: 2, auditID: "id-two", condition: { outcome: "yes" } },
      { n: 3, auditID: "id-two", condition: { outcome: "yes" }, stageLeftOut: true },
    ]);
    expect(await cli.run(...args, "--audit-id", "id-three")).toBe(2);
    expect(cli.err).toContain("there is no event of the auditID id-three; the files have 3.");
  });

  it("needs rules and files, or a configuration that says which", async () => {
    const config = await agent("parse", "match", "redact");
    expect(await cli.run("explain", cli.path("log/audit.log"))).toBe(2);
    expect(cli.err).toContain("explain needs rules (--rules PATH) or a configuration (-c FILE)");
    expect(await cli.run("explain", "--rules", cli.path("rules.yaml"))).toBe(2);
    expect(cli.err).toContain("explain needs audit files");
    expect(await cli.run("explain", "-c", config, "--redact", "default")).toBe(2);
    expect(cli.err).toContain("leave them out with -c");
    await rm(cli.path("log"), { recursive: true });
    expect(await cli.run("explain", "-c", config)).toBe(2);
    expect(cli.err).toContain("its sources have no log files here");
  });

  it("cannot be made to write over the terminal by what an event holds", async () => {
    await cli.run(...(await files(event("\x1b[2J", { user: { username: "\x1b]0;x\x07" } }))));
    expect(cli.out).not.toContain("\x1b");
    expect(cli.out).not.toContain("\x07");
  });
});
