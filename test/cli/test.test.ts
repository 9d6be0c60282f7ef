import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { commandLine } from "./fixture.js";
import { event, RULES } from "./rules.js";

const cli = commandLine();
const write = (name: string, text: string) => writeFile(cli.path(name), text);

async function run(tests: string, ...more: string[]): Promise<number> {
  await write("rules.yaml", RULES);
  await write("tests.yaml", tests);
  return cli.run("test", cli.path("tests.yaml"), ...more);
}

const READ = "{ verb: get, user: { username: eve }, objectRef: { resource: secrets, name: db } }";

describe("test", () => {
  it("passes where exactly what is expected matches, of events inline, as text, and in files", async () => {
    await write("a.log", event("one") + event("two"));
    const tests = `
rules: rules.yaml
tests:
  - name: inline
    events: ${READ}
    expect: SecretRead
  - name: as text, which stays as it is
    events: ['{"verb":"get","user":{"groups":["\\u006fps"]}}']
    expect: [{ rule: Token, priority: INFO, message: "token ", actions: [archived] }]
  - name: in files, then inline
    files: [a.log]
    events: [{ verb: list }, ${READ}]
    expect:
      - { rule: SecretRead, n: 1, auditID: id-one, message: eve reads one }
      - { rule: SecretRead, n: 2, time: "2026-11-20T10:00:00.250000000Z" }
      - { rule: SecretRead, n: 4, tags: [], fields: {}, dialect: kubesphere, resource: mine }
  - name: only some rules
    only: Token
    events: ${READ}
    expect: []
`;
    expect(await run(tests)).toBe(0);
    expect(cli.err).toBe("");
    expect(cli.out).toBe(`ok    inline
ok    as text, which stays as it is
ok    in files, then inline
ok    only some rules
4 tests, 0 failed
`);
  });

  it("says what differs: what is missing, what is too much, what is said otherwise", async () => {
    const tests = `
rules: [rules.yaml]
tests:
  - name: differs
    events:
      - ${READ}
      - { verb: get, user: { groups: [ops] } }
      - ${READ}
    expect:
      - { rule: SecretRead, n: 1, message: bob reads db, priority: WARNING }
      - { rule: SecretRead, n: 2 }
      - Nothing
`;
    expect(await run(tests)).toBe(1);
    expect(cli.out).toBe(`FAIL  differs  (${cli.path("tests.yaml")}:4)
      - expected, + found
          event 1: SecretRead message
        - "bob reads db"
        + "eve reads db"
        - event 2: SecretRead
        + event 2: Token  INFO  token 
        + event 3: SecretRead  WARNING  eve reads db
        - Nothing
1 tests, 1 failed
`);
  });

  it("loads rules as the configuration has them: thresholds, stages, like", async () => {
    const tests = (section: string, expected: string) => `
rules: { paths: [rules.yaml], ${section} }
tests:
  - name: t
    events: { stage: RequestReceived, verb: get, objectRef: { resource: secrets } }
    expect: ${expected}
`;
    expect(await run(tests("stages: [Panic]", "[]"))).toBe(0);
    expect(await run(tests("stages: [RequestReceived]", "[{ rule: SecretRead, actions: [archived, alerting] }]"))).toBe(
      0,
    );
    const higher = "stages: [RequestReceived], alertingPriority: Error";
    expect(await run(tests(higher, "[{ rule: SecretRead, actions: [archived] }]"))).toBe(0);
  });

  it("passes the example", async () => {
    expect(await cli.run("test", join(import.meta.dirname, "../../examples/rule-tests/secrets.yaml"))).toBe(0);
    expect(cli.out).toMatch(/^2 tests, 0 failed$/m);
  });

  it("takes other rules by --rules", async () => {
    await write("other.yaml", RULES.replace("SecretRead", "Other"));
    const tests = `tests: [{ name: t, events: ${READ}, expect: Other }]\n`;
    expect(await run(tests, "--rules", cli.path("other.yaml"))).toBe(0);
    expect(await run(tests)).toBe(2);
    expect(cli.err).toContain("there are no rules to test");
  });

  it("fails a test with what is no event", async () => {
    expect(await run("rules: rules.yaml\ntests: [{ name: t, events: ['{', '[1]'], expect: [] }]\n")).toBe(1);
    expect(cli.out).toContain("event 1 is no event: {");
    expect(cli.out).toContain("is no event: [1]");
  });

  it.each([
    ["tests: [{ name: t, events: [] }]\n", /tests.yaml:1:9: tests.0.expect is not as/],
    ["tests: [{ name: t, expect: [{ rule: R, mesage: x }] }]\n", /tests.yaml:1:\d+: tests.0.expect/],
    ["tests: [\n", /tests.yaml:2:1: .*YAML/],
    ["", /tests.yaml: there are no tests in it/],
    ["rules: rules.yaml\ntests: [{ name: t, files: none.log, expect: [] }]\n", /none.log: cannot be read/],
  ])("ends with 2 and the place for %j", async (tests, message) => {
    expect(await run(tests)).toBe(2);
    expect(cli.err).toMatch(message);
  });

  it("ends with 2 for a file that is not there", async () => {
    expect(await cli.run("test", cli.path("none.yaml"))).toBe(2);
    expect(cli.err).toMatch(/none.yaml: the tests cannot be read: ENOENT: .*\(AUDITSHIP_INPUT\)$/m);
  });

  it("ends with 2 for a rule that is refused", async () => {
    await write("tests.yaml", `rules: bad.yaml\ntests: [{ name: t, events: ${READ}, expect: SecretRead }]\n`);
    await write("bad.yaml", RULES.replace('Verb = "watch"', "Verb = ("));
    expect(await cli.run("test", cli.path("tests.yaml"))).toBe(2);
    expect(cli.err).toMatch(/bad.yaml:15:\d+: Rule mine.Token: /);
    expect(cli.err).toContain("1 rules were refused; mend them first. (AUDITSHIP_RULE_INVALID)");
  });

  it("writes JUnit's XML, whatever stands in names and messages", async () => {
    const tests = `
rules: rules.yaml
tests:
  - { name: 'a <b> & "c"', events: { verb: get, user: { username: "\\u0001]]>" }, objectRef: { resource: secrets } }, expect: [] }
  - { name: fine, events: [], expect: [] }
`;
    expect(await run(tests, "--junit", cli.path("report.xml"))).toBe(1);
    const file = cli.path("tests.yaml");
    const report = (await readFile(cli.path("report.xml"), "utf8")).replace(/time="\d+\.\d{3}"/g, 'time="0"');
    expect(report).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1" errors="0" time="0">
  <testsuite name="${file}" tests="2" failures="1" errors="0" time="0">
    <testcase classname="${file}" name="a &lt;b&gt; &amp; &quot;c&quot;" file="${file}" line="4" time="0">
      <failure message="1 lines differ (- expected, + found)">+ event 1: SecretRead  WARNING  \ufffd]]&gt; reads </failure>
    </testcase>
    <testcase classname="${file}" name="fine" file="${file}" line="5" time="0"/>
  </testsuite>
</testsuites>
`);
  });

  it.each(["none/report.xml", "/dev/full"])(
    "ends with 1 if the report cannot be written to %s, though all tests passed",
    async (file) => {
      const tests = "rules: rules.yaml\ntests: [{ name: fine, events: [], expect: [] }]\n";
      expect(await run(tests, "--junit", resolve(cli.directory, file))).toBe(1);
      expect(cli.out).toContain("1 tests, 0 failed");
      expect(cli.err).toMatch(/: the report cannot be written: E(NOENT|NOSPC): .*\(AUDITSHIP_OUTPUT\)\n$/);
    },
  );
});
