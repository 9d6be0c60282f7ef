import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LoadOptions } from "../../src/rules/index.js";
import { directory, lines, load, resource, rule } from "./loading.js";

/** What is said of one rule, without the place. */
async function warnings(condition: string, policy?: string, options: Partial<LoadOptions> = {}): Promise<string[]> {
  const files = { "a.yaml": resource([rule("R", condition)]), ...(policy ? { "policy.txt": policy } : {}) };
  const auditPolicy = policy ? join(directory, "policy.txt") : undefined;
  const loaded = await load(files, { auditPolicy, ...options });
  expect(lines(loaded.refused)).toEqual([]);
  return lines(loaded.warnings).map((line) => line.replace("a.yaml:6:15: Rule cr.R: ", ""));
}

describe("exec by WebSocket", () => {
  const missed = /it matches the verb create only, but kubectl 1.30 and later sends get \(WebSocket\)/;
  const cases: [condition: string, warned: string | undefined][] = [
    ['ObjectRef.Resource = "pods" and Verb = "create" and ObjectRef.Subresource in ("exec", "attach")', "exec, attach"],
    ['ObjectRef.Subresource = "portforward" and Verb in ("create", "update")', "portforward"],
    ['ObjectRef.Subresource = "exec" and (not (Verb != "create"))', "exec"],
    ['ObjectRef.Subresource = "exec" and Verb in ("create", "get")', undefined],
    ['ObjectRef.Subresource = "exec"', undefined],
    ['Verb = "create"', undefined],
    ['Verb = "create" and ObjectRef.Subresource != "exec"', undefined],
    ['Verb = "create" and ObjectRef.Subresource = "eviction"', undefined],
    ['Verb = "get" and ObjectRef.Subresource = "exec"', undefined],
    ['ObjectRef.Subresource = "exec" and (Verb = "create" or (Verb = "get" and Level exists))', undefined],
    ['ObjectRef.Resource = "nodes" and Verb = "create" and ObjectRef.Subresource = "exec"', undefined],
  ];
  for (const [condition, warned] of cases) {
    it(condition, async () => {
      const found = await warnings(condition);
      expect(found).toEqual(warned ? [expect.stringMatching(missed)] : []);
      if (warned) expect(found[0]).toMatch(new RegExp(`^${warned}: `));
    });
  }
});

describe("rules of the other dialects", () => {
  it("cause warnings about exec by WebSocket, and about bodies that are not recorded", async () => {
    const sigma = (verb: string) =>
      `title: S ${verb}\nid: 1b6f2c5e-0000-4000-8000-00000000000${verb.length}\nstatus: stable\nlogsource: { product: kubernetes, service: audit }\nlevel: medium\n` +
      `detection: { s: { verb: ${verb}, objectRef.resource: pods, objectRef.subresource: exec, level: Metadata }, condition: s }\n`;
    const falco = (verb: string, more = "") =>
      `- rule: F ${verb}\n  desc: d\n  condition: ka.verb=${verb} and ka.target.subresource in (exec, attach)${more}\n  output: o\n  priority: WARNING\n  source: k8s_audit\n`;
    const loaded = await load(
      {
        "a.yaml": `${sigma("create")}---\n${sigma("get")}`,
        "b.yaml": falco("create") + falco("get", " and ka.req.pod.host_network = true"),
        "policy.txt": "kind: Policy\nrules: [{ level: Metadata }]\n",
      },
      { auditPolicy: join(directory, "policy.txt") },
    );
    expect(lines(loaded.refused)).toEqual([]);
    expect(lines(loaded.warnings).filter((line) => line.includes(" it "))).toEqual([
      expect.stringMatching(/Rule F create: exec, attach: it matches the verb create only/),
      expect.stringMatching(/Rule F get: it never matches under the audit policy .* Metadata at most/),
      expect.stringMatching(/Rule S create: exec: it matches the verb create only/),
    ]);
  });
});

describe("stages that rules do not look at", () => {
  const stages = ["ResponseComplete", "Panic"];
  const left = ["it never matches: it asks for the stage RequestReceived, which rules.stages leaves out."];

  it("are named if a rule asks for no others", async () => {
    expect(await warnings('Stage = "RequestReceived" and Verb exists', undefined, { stages })).toEqual(left);
    expect(await warnings('Stage in ("RequestReceived", "Panic")', undefined, { stages })).toEqual([]);
    expect(await warnings('(not (Stage = "RequestReceived"))', undefined, { stages })).toEqual([]);
    expect(await warnings('Stage = "RequestReceived"')).toEqual([]);
  });
});

describe("an audit policy", () => {
  const policy = (...rules: string[]) =>
    `apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n${rules.map((text) => `  - ${text}\n`).join("")}`;
  const atMost = (level: string) =>
    new RegExp(
      `^it never matches under the audit policy .*policy.txt: it records such requests at level ${level} at most`,
    );
  const never = /^it never matches under the audit policy .*policy.txt: it records no such request/;
  const METADATA = policy("level: Metadata");
  const MIXED = policy(
    '{ level: Metadata, resources: [{ group: "", resources: [secrets, "pods/*"] }] }',
    '{ level: None, verbs: [watch], resources: [{ group: "", resources: [pods] }] }',
    '{ level: Request, users: [alice], resources: [{ group: "", resources: [configmaps] }] }',
    '{ level: None, resources: [{ group: "", resources: [configmaps] }] }',
    '{ level: RequestResponse, resources: [{ group: "", resources: [pods] }] }',
    "{ level: Request, resources: [{ group: apps }], omitStages: [RequestReceived] }",
    "{ level: Metadata }",
  );
  const cases: [that: string, policy: string, condition: string, warned: RegExp | undefined][] = [
    ["has no bodies", METADATA, 'RequestObject.a = "b"', atMost("Metadata")],
    ["has what is not in a body", METADATA, 'Verb = "get"', undefined],
    ["may match without the body", METADATA, 'RequestObject.a = "b" or Verb = "get"', undefined],
    ["finds that a body is not there", METADATA, "RequestObject.a not exists", undefined],
    ["has another level", METADATA, 'Level = "Request"', atMost("Metadata")],
    ["has no body of secrets", MIXED, 'ObjectRef.Resource = "secrets" and RequestObject exists', atMost("Metadata")],
    ["has bodies of pods", MIXED, 'ObjectRef.Resource = "pods" and ResponseObject exists', undefined],
    [
      "does not watch pods",
      MIXED,
      'ObjectRef.Resource = "pods" and Verb = "watch" and ObjectRef.Subresource = ""',
      never,
    ],
    [
      "watches their logs",
      MIXED,
      'ObjectRef.Resource = "pods" and Verb = "watch" and ObjectRef.Subresource = "log"',
      undefined,
    ],
    [
      "has no body of an exec",
      MIXED,
      'ObjectRef.Resource = "pods" and ObjectRef.Subresource = "exec" and RequestObject exists',
      atMost("Metadata"),
    ],
    ["has bodies of some users", MIXED, 'ObjectRef.Resource = "configmaps" and RequestObject exists', undefined],
    [
      "has no answers of theirs",
      MIXED,
      'ObjectRef.Resource = "configmaps" and ResponseObject exists',
      atMost("Request"),
    ],
    ["has bodies of a group", MIXED, 'ObjectRef.Resource = "deployments" and RequestObject exists', undefined],
    [
      "omits a stage",
      policy("{ level: Request, omitStages: [RequestReceived] }"),
      'Stage = "RequestReceived"',
      atMost("Request"),
    ],
    ["records nothing", policy("level: None"), "Verb exists", never],
  ];
  for (const [that, text, condition, warned] of cases) {
    it(`${that}: ${condition}`, async () => {
      expect(await warnings(condition, text)).toEqual(warned ? [expect.stringMatching(warned)] : []);
    });
  }

  it("that is invalid causes a warning, and the rules run", async () => {
    for (const text of ["kind: Policy\nrules: [{ level: Everything }]\n", "kind: Pod\n", "a: [", "# nothing\n"]) {
      const found = await warnings("Verb exists", text);
      expect(found).toEqual([expect.stringMatching(/^policy.txt(:\d+:\d+)?: This is no(t valid YAML| audit policy)/)]);
    }
  });
});
