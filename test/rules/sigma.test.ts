import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { predicateOf } from "../../src/rules/condition.js";
import { sigmaConditions } from "../../src/rules/dialects/sigma/conditions.js";
import { parseDocuments } from "../../src/rules/documents.js";
import { type LoadedRules, type LoadOptions, loadRules } from "../../src/rules/index.js";
import { interpret } from "../../src/rules/interpreter.js";
import { compileSet } from "../../src/rules/set.js";
import { Outcome } from "../../src/rules/tree.js";
import { batchOf, viewOf } from "./events.js";
import { ruleOf } from "./rules.js";

/** Expectations are derived by hand from the specification (`sigma-rules-specification.md`, `sigma-appendix-modifiers.md` 2.1). */

const EVENT = {
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  level: "RequestResponse",
  auditID: "0b8c",
  stage: "ResponseComplete",
  requestURI: "/api/v1/namespaces/shop/pods/web?command=%2Fbin%2Fsh&x=C:\\temp\\a*b?",
  verb: "Create",
  user: { username: "system:serviceaccount:shop:builder", groups: ["dev", "Ops"], extra: { "scopes.x/y": ["openid"] } },
  sourceIPs: ["192.168.7.9", "fd00::12"],
  userAgent: "kubectl/v1.30.1 (linux/amd64)",
  objectRef: { resource: "pods", namespace: "shop", name: "web", apiGroup: "", uid: null },
  responseStatus: { code: 201 },
  requestObject: {
    spec: {
      replicas: 3,
      ratio: 2.5,
      paused: false,
      nothing: null,
      empty: "",
      none: [],
      script: "cmd.exe /c ping -n 4 host\nexit",
      encoded: `xx${Buffer.from("..secret-word..").toString("base64")}`,
      wide: Buffer.from("ping", "utf16le").toString("base64"),
      containers: [
        { name: "app", image: "nginx:1.25", args: ["--listen", "0.0.0.0"] },
        { name: "Side", image: "busybox", securityContext: { privileged: true } },
      ],
    },
  },
  annotations: { "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC: allowed by Alice" },
  requestReceivedTimestamp: "2026-11-20T23:30:00.000000Z",
  stageTimestamp: "2026-11-21T01:15:00+02:00",
};

const read = sigmaConditions([]);

/** What the interpreter, the closures, and a set that has seen such an event before say of it: which must be one answer. */
function answer(yaml: string, event: object = EVENT): boolean {
  const tree = read(yaml);
  const said = interpret(tree, viewOf(event)) === Outcome.yes;
  expect(predicateOf(tree)(viewOf(event))).toBe(said);
  const set = compileSet([{ ...ruleOf("R", "Level"), condition: tree }]);
  for (const batch of [batchOf(event), batchOf(event, event)]) {
    set.evaluate(batch);
    expect(batch.matches(batch.count - 1).length).toBe(said ? 1 : 0);
  }
  return said;
}

function cases(table: [yaml: string, expected: boolean, event?: object][]): void {
  for (const [yaml, expected, event] of table)
    it(`${JSON.stringify(yaml)} is ${expected}`, () => expect(answer(yaml, event)).toBe(expected));
}

function problemOf(yaml: string): string {
  try {
    read(yaml);
  } catch (error) {
    const { message, place } = error as { message: string; place: { line?: number; column?: number } };
    return `${place.line}:${place.column}: ${message}`;
  }
  return "none";
}

describe("a field", () => {
  cases([
    ["verb: create", true],
    ["verb: CREATE", true],
    ["verb: creat", false],
    ["VERB: create", true],
    ["verb: [get, create]", true],
    ["verb: [get, list]", false],
    ["objectRef.resource: Pods", true],
    ["objectref.RESOURCE: pods", true],
    ["objectRef.apiGroup: ''", true],
    ["objectRef.subresource: ''", false],
    ["responseStatus.code: 201", true],
    ["responseStatus.code: '201'", true],
    ["responseStatus.code: [200, 201]", true],
    ["responseStatus.code: 20", false],
    ["responseStatus.code: 2*", true],
    ["requestObject.spec.ratio: 2.5", true],
    ["requestObject.spec.ratio: 2.50", true],
    ["requestObject.spec.replicas: 3", true],
    ["requestObject.spec.Replicas: 3", false],
    ["requestObject.spec.paused: false", true],
    ["requestObject.spec.paused: 'False'", true],
    ["requestObject.spec.paused: true", false],
    ["requestObject.spec: '*'", true],
    ["requestObject.spec: x", false],
    ["annotations.authorization.k8s.io/decision: ALLOW", true],
    ["user.extra.scopes.x/y: openid", true],
    ["other.a: x", true, { ...EVENT, other: [{ a: "X" }] }],
    ["other.a: x", false],
  ]);
});

describe("an array counts by any of its items, on the way and at the end", () => {
  cases([
    ["user.groups: ops", true],
    ["user.groups: [admins, ops]", true],
    ["user.groups|all: [dev, ops]", true],
    ["user.groups|all: [dev, admins]", false],
    ["requestObject.spec.containers.name: side", true],
    ["requestObject.spec.containers.image|startswith: nginx", true],
    ["requestObject.spec.containers.args: 0.0.0.0", true],
    ["requestObject.spec.containers.securityContext.privileged: true", true],
    // Each test looks for an item of its own.
    ["requestObject.spec.containers.name: app\nrequestObject.spec.containers.securityContext.privileged: true", true],
    ["requestObject.spec.containers: '*'", true],
    ["requestObject.spec.none: '*'", false],
    ["requestObject.spec.list: x", true, { ...EVENT, requestObject: { spec: { list: [[["y"], "X"]] } } }],
  ]);
});

describe("null, absence and existence", () => {
  cases([
    ["objectRef.uid: null", true],
    ["objectRef.subresource: null", true],
    ["objectRef.name: null", false],
    ["objectRef.apiGroup: null", false],
    ["objectRef.name: ", false],
    ["objectRef.uid: []", true],
    ["requestObject.spec.nothing: null", true],
    ["requestObject.spec.missing.deep: null", true],
    ["requestObject.spec.empty: null", false],
    ["requestObject.spec.empty: ''", true],
    ["requestObject.spec.nothing: ''", false],
    ["requestObject.spec.none: null", true],
    ["user.groups: null", false],
    ["user.groups: null", true, { ...EVENT, user: { groups: ["a", null] } }],
    ["objectRef.name|exists: true", true],
    ["objectRef.uid|exists: true", true],
    ["objectRef.subresource|exists: true", false],
    ["objectRef.subresource|exists: false", true],
    ["requestObject.spec.nothing|exists: true", true],
    ["requestObject.spec.none|exists: true", true],
    ["requestObject.spec.missing|exists: false", true],
    ["requestObject.spec.containers.securityContext|exists: true", true],
    ["objectRef.uid: '*'", false],
    ["objectRef.apiGroup: '*'", true],
    ["responseObject: null", true],
    ["responseObject|exists: false", true],
    ["{a: {objectRef.subresource: exec}, condition: not a}", true],
    ["{a: {objectRef.subresource: null}, condition: not a}", false],
  ]);
});

describe("wildcards and their escapes", () => {
  const uri = (requestURI: string) => ({ ...EVENT, requestURI });
  cases([
    ["requestURI: '/api/*'", true],
    ["requestURI: '*temp*'", true],
    ["requestURI: '/API/v?/*/pods/*'", true],
    ["requestURI: '/api/v??/*'", false],
    ["requestURI: 'a?c'", true, uri("aéc")],
    ["requestURI: 'a?c'", true, uri("a😀c")],
    ["requestURI: 'a?c'", false, uri("ac")],
    ["requestURI: 'a*c'", true, uri("ac")],
    ["requestURI: 'a*c'", true, uri("a\n\nc")],
    ["requestURI: 'a\\*c'", true, uri("a*c")],
    ["requestURI: 'a\\*c'", false, uri("abc")],
    ["requestURI: 'a\\?c'", true, uri("a?c")],
    ["requestURI: 'a\\c'", true, uri("a\\c")],
    ["requestURI: 'a\\\\c'", true, uri("a\\c")],
    ["requestURI: 'a\\\\*'", true, uri("a\\xyz")],
    ["requestURI: 'a\\\\*'", false, uri("axyz")],
    ["requestURI: 'a\\\\\\*'", true, uri("a\\*")],
    ["requestURI: 'a\\\\\\*'", false, uri("a\\b")],
    ["requestURI: 'a\\\\\\c'", true, uri("a\\\\c")],
    ["requestURI: 'a\\\\\\\\c'", true, uri("a\\\\c")],
    ["requestURI: 'a.c'", false, uri("abc")],
    ["requestURI: '[a-z]*'", true, uri("[a-z]x")],
    ["requestURI: '*'", true, uri("")],
    ["requestURI: '**'", true, uri("x")],
    ["requestURI: '*a**b*'", true, uri("xaxxbx")],
    ["requestURI: 'Ä*'", true, uri("äx")],
    ["requestURI: 'k8s'", true, uri("\u212a8s")],
  ]);
});

describe("the modifier", () => {
  const uri = (requestURI: string) => ({ ...EVENT, requestURI });
  cases([
    ["requestURI|contains: NAMESPACES", true],
    ["requestURI|contains: ['nope', '%2fbin%2fsh']", true],
    ["requestURI|contains|all: [shop, pods]", true],
    ["requestURI|contains|all: [shop, nodes]", false],
    ["requestURI|all|contains: [shop, nodes]", false],
    ["requestURI|contains: 'pods?web'", true],
    ["requestURI|contains: '\\temp\\'", true],
    ["responseStatus.code|contains: 20", true],
    ["requestURI|startswith: /API/", true],
    ["requestURI|startswith: api", false],
    ["requestURI|startswith: '/a?i'", true],
    ["objectRef.name|endswith: EB", true],
    ["objectRef.name|endswith: we", false],
    ["verb|neq: create", false],
    ["verb|neq: [get, list]", true],
    ["objectRef.subresource|neq: exec", true],
    ["verb|cased: Create", true],
    ["verb|cased: create", false],
    ["requestURI|contains|cased: shop", true],
    ["requestURI|contains|cased: SHOP", false],
    ["requestURI|cased|contains: SHOP", false],
    ["userAgent|re: '^kubectl/v1\\.\\d+'", true],
    ["userAgent|re: 'kubectl/v1.3'", true],
    ["userAgent|re: '^Kubectl'", false],
    ["userAgent|re|i: '^Kubectl'", true],
    ["userAgent|re|i: ['^curl', '^KUBECTL']", true],
    ["userAgent|re|startswith: 'v1'", false],
    ["userAgent|re|endswith: 'amd64\\)'", true],
    ["userAgent|re|contains: 'v1'", true],
    ["requestObject.spec.script|re: '^exit'", false],
    ["requestObject.spec.script|re|m: '^exit'", true],
    ["requestObject.spec.script|re: 'host.exit'", false],
    ["requestObject.spec.script|re|s: 'host.exit'", true],
    ["requestObject.spec.script|re|i|s: 'HOST.EXIT'", true],
    ["sourceIPs|cidr: 192.168.0.0/16", true],
    ["sourceIPs|cidr: 10.0.0.0/8", false],
    ["sourceIPs|cidr: [10.0.0.0/8, 'fd00::/8']", true],
    ["sourceIPs|cidr: 192.168.7.9", true],
    ["userAgent|cidr: 0.0.0.0/0", false],
    ["responseStatus.code|lt: 202", true],
    ["responseStatus.code|lt: 201", false],
    ["responseStatus.code|lte: 201", true],
    ["responseStatus.code|gt: 200", true],
    ["responseStatus.code|gt: 201", false],
    ["responseStatus.code|gte: 201", true],
    ["requestObject.spec.ratio|gt: 2.4", true],
    ["verb|gt: 0", false],
    ["objectRef.subresource|lt: 5", false],
    // The script has " /c" and " -n"; every dash stands for every other.
    ["requestObject.spec.script|windash|contains: ' -c'", true],
    ["requestObject.spec.script|contains: ' -c'", false],
    ["requestObject.spec.script|windash|contains|all: [' -c', ' /n']", true],
    ["requestURI|windash: 'a -b'", true, uri("a \u2014b")],
    ["requestURI|windash: 'a-b'", false, uri("a/b")],
    // base64("..secret-word..") holds what "secret-word" is at offset 2: checked by base64 of the three shifts.
    ["requestObject.spec.encoded|base64offset|contains: secret-word", true],
    ["requestObject.spec.encoded|base64offset|contains: secret-wort", false],
    ["requestURI|base64: foobar", true, uri("Zm9vYmFy")],
    ["requestURI|base64: fooba", true, uri("Zm9vYmE=")],
    ["requestURI|base64offset|contains: foobar", true, uri("xxxZm9vYmFyxxx")],
    ["requestURI|base64offset|contains: foobar", true, uri("xmb29iYXx")],
    ["requestURI|base64offset|contains: foobar", true, uri("mb29iYX")],
    ["requestURI|base64offset|contains: foobar", true, uri("Zvb2Jhc")],
    ["requestObject.spec.wide|wide|base64: ping", true],
    ["requestObject.spec.wide|utf16le|base64: ping", true],
    ["requestURI|utf16be|base64: cmd", true, uri("AGMAbQBk")],
    ["requestURI|utf16|base64: cmd", true, uri("//5jAG0AZAA=")],
    ["requestURI|wide|base64: é", true, uri("6QA=")],
    ["requestURI|wide: ab", true, uri("a\u0000b\u0000")],
    ["requestURI|wide|base64offset|contains: cmd", true, uri("xxYwBtAGQAyy")],
    ["requestURI|windash|base64: ' -x'", true, uri("IC94")],
    ["objectRef.namespace|fieldref: objectRef.name", false],
    ["objectRef.name|fieldref: user.username", true, { ...EVENT, user: { username: "WEB" } }],
    ["user.username|fieldref|contains: objectRef.namespace", true],
    ["user.username|fieldref|endswith: objectRef.namespace", false],
    ["user.username|fieldref|startswith: kind", false],
    ["objectRef.name|fieldref|neq: objectRef.namespace", true],
    ["objectRef.name|fieldref|cased: user.username", false, { ...EVENT, user: { username: "WEB" } }],
    ["objectRef.name|fieldref: objectRef.subresource", false],
    ["requestReceivedTimestamp|hour: 23", true],
    ["requestReceivedTimestamp|minute: 30", true],
    ["requestReceivedTimestamp|day: 20", true],
    ["requestReceivedTimestamp|month: 11", true],
    ["requestReceivedTimestamp|year: 2026", true],
    ["requestReceivedTimestamp|week: 47", true],
    ["requestReceivedTimestamp|hour|gte: 22", true],
    ["requestReceivedTimestamp|hour|lt: 22", false],
    ["stageTimestamp|hour: 23", true],
    ["verb|hour: 23", false],
  ]);
});

describe("keywords", () => {
  cases([
    ["[NGINX, nope]", true],
    ["[nope]", false],
    ["'|all': [nginx, busybox]", true],
    ["'|all': [nginx, nope]", false],
    ["[containers]", false],
    ["[namespace]", true],
    ["['ping*host']", true],
    ["['allowed by']", true],
    ["'|re': ['^busy.ox$']", true],
    ["'|cased': [NGINX]", false],
    ["'|startswith': [busy]", true],
    ["'|startswith': [box]", false],
    ["[objectRef]", false],
    ["[{verb: get}, nginx]", true],
  ]);
});

describe("maps and lists of maps", () => {
  cases([
    ["{verb: create, objectRef.resource: pods}", true],
    ["{verb: create, objectRef.resource: nodes}", false],
    ["[{verb: get}, {objectRef.resource: pods}]", true],
    ["[{verb: get, objectRef.resource: pods}, {verb: list}]", false],
    ["[[{verb: get}], [{verb: create}]]", true],
  ]);
});

describe("a condition", () => {
  const given = (condition: string) =>
    `yes_1: {verb: create}\nyes_2: {objectRef.resource: pods}\nno_1: {verb: get}\n_hidden: {verb: list}\ncondition: ${condition}`;
  cases([
    [given("yes_1 and yes_2"), true],
    [given("yes_1 and no_1"), false],
    [given("no_1 or yes_2"), true],
    [given("not no_1"), true],
    [given("not not no_1"), false],
    // and binds closer than or, not closer than and.
    [given("yes_1 or yes_2 and no_1"), true],
    [given("(yes_1 or yes_2) and no_1"), false],
    [given("not no_1 and no_1"), false],
    [given("not (no_1 and no_1)"), true],
    [given("1 of yes_*"), true],
    [given("any of yes_*"), true],
    [given("all of yes_*"), true],
    [given("1 of no_*"), false],
    [given("all of *_1"), false],
    [given("1 of *_1"), true],
    [given("1 of them"), true],
    [given("all of them"), false],
    [given("not 1 of no* and all of y*s_*"), true],
    [given("1 of _*"), false],
    [given("_hidden"), false],
    [given("all of yes_1"), true],
    [given("[no_1, yes_1]"), true],
    [given("[no_1, _hidden]"), false],
    [given("|\n  yes_1\n  and yes_2"), true],
  ]);

  it.each([
    ["yes_1 and", "the condition ends where the name of a search should follow"],
    ["yes_1 yes_2", "unexpected “yes_2” near “yes_1 yes_2”: expected and, or, or the end"],
    ["yes_1 AND yes_2", "unexpected “AND” (write and) near “yes_1 AND yes_2”: expected and, or, or the end"],
    ["(yes_1", "the condition ends where a closing parenthesis should follow"],
    ["yes_1)", "unexpected “)” near “yes_1)”: expected and, or, or the end"],
    ["yes1", "there is no search “yes1”; did you mean yes_1?"],
    ["2 of yes_*", "unexpected “2”: expected 1, any or all before “of”"],
    ["1 of maybe_*", "no search is meant by “maybe_*”, but “yes_1, yes_2, no_1, _hidden”"],
    [
      "yes_1 | count() > 5",
      "unexpected “|” near “yes_1 | count() > 5”: aggregations such as “| count()” were taken out",
    ],
    ["and", "unexpected “and”"],
  ])("%s is refused", (condition, message) => {
    expect(problemOf(given(JSON.stringify(condition)))).toContain(message);
    expect(problemOf(given(JSON.stringify(condition)))).toMatch(/^5:1\d: |^5:2\d: /);
  });
});

describe("anything but a search is refused with its place", () => {
  it.each([
    ["verb|contain: x", "1:6: there is no modifier “contain” in “verb|contain”; did you mean contains?"],
    ["verb|contains|foo: x", "1:15: there is no modifier “foo”"],
    ["verb: [x, null]", "1:1: null cannot be one of several values of “verb”; give it a search of its own."],
    ["verb: {a: b}", "1:7: a value is a text, a number, true, false, null, or a list of these."],
    ["verb|lt: x", "1:10: “x” does not fit “verb|lt”: it compares with a number"],
    ["verb|exists: maybe", "1:14: “maybe” does not fit “verb|exists”: exists stands alone, and takes true or false."],
    ["sourceIPs|cidr: [10.0.0.0/8, 10.0.0.0/40]", "1:30: “10.0.0.0/40” does not fit “sourceIPs|cidr”"],
    ["verb|re: '(a'", "1:10: “(a” is no regular expression"],
    ["verb|re: '(?=a)'", "1:10: “(?=a)” is no regular expression"],
    ["verb|contains|re: a", "1:19: “a” does not fit “verb|contains|re”: re comes before all other modifiers."],
    ["verb|i: a", "1:9: “a” does not fit “verb|i”: i belongs behind re."],
    ["verb|base64: a*", "1:14: “a*” does not fit “verb|base64”: base64 takes no wildcards."],
    ["verb|utf16: a", "1:13: what it is encoded to is no text; put base64 or base64offset behind."],
    ["verb|expand: '%who%'", "1:14: “%who%” does not fit “verb|expand”: there are no values for the placeholder %who%"],
    ["verb|contains: null", "1:16: null does not fit “verb|contains”: it takes a text, not null."],
    ["{}", "1:1: the search is empty."],
    ["[]", "1:1: the search is empty."],
    ["'|exists': true", "1:2: “|exists” needs a field"],
    ["{a: {verb: x}, condition: [1]}", "1:28: a condition is a text."],
    [`${"a.".repeat(70)}b: x`, "has too many parts."],
  ])("%s", (yaml, message) => expect(problemOf(yaml)).toContain(message));
});

describe("eval", () => {
  const rules = parseDocuments(
    "r.yml",
    "detection:\n  a: { verb: get }\n  b_1: { verb: create }\n  condition: a\n",
  ).documents;
  const evaluate = (text: string) => predicateOf(sigmaConditions(rules)(text))(viewOf(EVENT));

  it("takes conditions over the searches of a file", () => {
    expect(["a", "b_1", "a or 1 of b_*", "all of them"].map(evaluate)).toEqual([false, true, true, false]);
    expect(() => evaluate("a and\n  c")).toThrow(expect.objectContaining({ place: { line: 2, column: 3 } }));
  });

  it("takes a rule, the content of a detection, or a search, as YAML or JSON", () => {
    const detection = { s: { "verb|startswith": "CRE" }, condition: "s" };
    const texts = [{ title: "T", detection }, detection, detection.s, ["nginx"]].map((value) => JSON.stringify(value));
    expect(texts.map(evaluate)).toEqual([true, true, true, true]);
    expect(evaluate("s:\n  verb: get\ncondition: not s")).toBe(true);
    expect(() => evaluate("s:\n  verb: get\ncondition: not t")).toThrow("there is no search “t”");
    expect(() => evaluate("{a: 1")).toThrow("This is not valid YAML");
    expect(() => evaluate("a: b\n---\nc: d")).toThrow("there is more than one document");
  });
});

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-sigma-"));
});
afterEach(() => rm(directory, { recursive: true }));

async function load(text: string, options: Partial<LoadOptions> = {}): Promise<LoadedRules> {
  await writeFile(join(directory, "rules.yml"), text);
  return loadRules({ paths: [directory], archivingPriority: "DEBUG", alertingPriority: "WARNING", ...options });
}

function run(loaded: LoadedRules, event: object = EVENT) {
  const batch = batchOf(event);
  loaded.set.evaluate(batch);
  return batch.matches(0);
}

const lines = (list: readonly { line(): string }[]): string[] =>
  list.map((entry) => entry.line().replace(`${directory}/`, ""));

const HEAD = "logsource: { product: kubernetes, service: audit }\n";
const BODY = "detection:\n  sel: { verb: create }\n  condition: sel\n";
const rule = (title: string, more = "") => `title: ${title}\n${HEAD}${more}${BODY}`;

describe("a rule", () => {
  it("carries its title, id, author, references, tags and known false positives", async () => {
    const more = [
      "id: 3132570d-cab2-4561-9ea6-1743644b2290",
      "status: test",
      "author: Leo (@x)",
      "references: [https://a.example/1, https://a.example/2]",
      "tags: [attack.t1070]",
      "falsepositives: [Unknown]",
      "level: high",
      "description: |\n  Two\n  lines.",
      "fields: [user.username, objectRef.missing, requestObject.spec.containers.image]",
      "",
    ].join("\n");
    const loaded = await load(rule("Pod made", more));
    expect(lines(loaded.refused)).toEqual([]);
    const [match] = run(loaded);
    expect(match).toMatchObject({
      rule: "Pod made",
      dialect: "sigma",
      priority: "high",
      rank: 3,
      actions: ["archived", "alerting"],
      tags: ["attack.t1070"],
      description: "Two\nlines.",
      facts: {
        id: "3132570d-cab2-4561-9ea6-1743644b2290",
        author: "Leo (@x)",
        references: "https://a.example/1\nhttps://a.example/2",
        falsepositives: "Unknown",
        status: "test",
      },
    });
    expect(match.message(viewOf(EVENT))).toBe(
      "Pod made: system:serviceaccount:shop:builder Create pods shop/web (user.username=system:serviceaccount:shop:builder, objectRef.missing=, requestObject.spec.containers.image=nginx:1.25, busybox)",
    );
  });

  it.each([
    ["informational", 0, ["archived"]],
    ["low", 1, ["archived"]],
    ["medium", 2, ["archived", "alerting"]],
    ["high", 3, ["archived", "alerting"]],
    ["critical", 4, ["archived", "alerting"]],
  ])("of level %s has rank %d", async (level, rank, actions) => {
    const [match] = run(await load(rule("R", `level: ${level}\n`)));
    expect([match.priority, match.rank, match.actions]).toEqual([level, rank, actions]);
  });

  it("without a level counts as medium", async () => {
    expect(run(await load(rule("R")))[0].priority).toBe("medium");
  });

  it("looks at the stages that are asked for", async () => {
    const loaded = await load(rule("R"), { stages: ["Panic"] });
    expect(run(loaded)).toEqual([]);
    expect(run(loaded, { ...EVENT, stage: "Panic" }).length).toBe(1);
  });

  it("of another log source or status is left out, with one warning", async () => {
    const other = (logsource: string) => `title: X\nlogsource: ${logsource}\n${BODY}`;
    const loaded = await load(
      [
        other("{ product: windows, category: process_creation }"),
        other("{ product: windows, category: process_creation }"),
        other("{ product: kubernetes, service: event }"),
        other("{ category: application, product: Kubernetes, service: audit }"),
        rule("Old", "status: deprecated\n"),
        rule("Odd", "status: unsupported\n"),
        rule("New", "status: experimental\n"),
        rule("Typo", "status: stabel\n"),
        "title: Y\nlogsource: { product: windows }\ndetection: odd\n",
      ].join("---\n"),
    );
    expect(loaded.rules.map(({ name }) => name)).toEqual(["X", "New", "Typo"]);
    expect(lines(loaded.warnings)).toEqual([
      "rules.yml:48:9: “Typo”: there is no status “stabel”; did you mean stable?",
      "rules.yml:2:12: 4 Sigma rules are left out: windows/process_creation (2), kubernetes/event (1), windows (1). Only product kubernetes, service audit is read.",
      "rules.yml:27:9: 2 Sigma rules are left out: deprecated (1), unsupported (1). rules.sigma.status says which are read.",
    ]);
    expect((await load(rule("Old", "status: deprecated\n"), { sigma: { status: ["deprecated"] } })).rules.length).toBe(
      1,
    );
  });

  it("with the id of an earlier rule replaces that one; two rules with the same title cause a warning", async () => {
    const loaded = await load([rule("A", "id: X-1\n"), rule("B", "id: x-1\n"), rule("B", "id: y\n")].join("---\n"));
    expect(run(loaded).map((match) => [match.rule, match.facts.id])).toEqual([
      ["B", "x-1"],
      ["B", "y"],
    ]);
    expect(lines(loaded.warnings)).toEqual([
      `rules.yml:8:8: “B” has the id of an earlier rule (${directory}/rules.yml:1) and replaces it.`,
      "rules.yml:15:8: “B” is the title of two rules: what matched is told by its id alone.",
    ]);
  });

  it("that has an error is refused with its place, and the others run", async () => {
    const bad = [
      `title: A\n${HEAD}detection: { sel: { verb: create } }\n`,
      rule("B", "level: hihg\n"),
      `title: C\n${HEAD}detection:\n  sel: { verb: create }\n  condition: sel and filter\n`,
      `title: D\ncorrelation: { type: event_count }\n`,
      `title: E\nlogsource: { product: kubernetes }\nfilter: { rules: [x], selection: { verb: get }, condition: selection }\n`,
      `action: global\ntitle: F\n`,
      `logsource: { product: kubernetes }\n${BODY}`,
      `title: H\n${HEAD}detection: [a]\n`,
    ];
    const loaded = await load([...bad, rule("Good")].join("---\n"));
    expect(run(loaded).map((match) => match.rule)).toEqual(["Good"]);
    expect(lines(loaded.refused)).toEqual([
      expect.stringMatching(
        /^rules.yml:3:12: Sigma rule “A”: detection.condition is not as it should be \(expected a text, or a list of texts\)/,
      ),
      expect.stringMatching(/^rules.yml:19:1: Sigma rule “D”: it is a correlation, which links several events/),
      expect.stringMatching(/^rules.yml:23:1: Sigma rule “E”: it is a filter, which changes other rules/),
      expect.stringMatching(/^rules.yml:25:1: Sigma rule “F”: collections with an action were taken out of Sigma/),
      expect.stringMatching(/^rules.yml:28:1: Sigma rule without a title: title is not as it should be/),
      expect.stringMatching(/^rules.yml:35:12: Sigma rule “H”: detection is not as it should be/),
      expect.stringMatching(/^rules.yml:7:8: Sigma rule “B”: there is no level “hihg”; did you mean high\? /),
      expect.stringMatching(
        /^rules.yml:16:22: Sigma rule “C”: there is no search “filter”, but “sel”. \(AUDITSHIP_RULE_REFERENCE\)/,
      ),
    ]);
  });

  it("causes a warning if it names a field that no event has, or has searches that no condition uses", async () => {
    const loaded = await load(
      `title: A\n${HEAD}detection:\n  sel: { objectRef.resorce: pods, nonsense: x, hostPath: x, user.username: y }\n  other: { verb: get }\n  timeframe: 5m\n  condition: sel\n`,
    );
    expect(lines(loaded.warnings)).toEqual([
      "rules.yml:6:3: “A”: timeframe is not looked at: conditions are about one event.",
      "rules.yml:4:10: “A”: no audit event has the field objectRef.resorce; did you mean objectRef.resource?",
      "rules.yml:4:35: “A”: no audit event has the field nonsense.",
      "rules.yml:5:3: “A”: the search “other” is in no condition.",
    ]);
  });

  it("causes a warning if the audit policy does not record what it looks at", async () => {
    const policy = join(directory, "policy.txt");
    await writeFile(policy, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{ level: Metadata }]\n");
    const searches = "{ verb: Create, objectRef.resource: Pods, hostPath: '*', objectRef.subresource: null }";
    const text = `title: A\n${HEAD}detection: { sel: ${searches}, condition: sel }\n`;
    expect(lines((await load(text, { auditPolicy: policy })).warnings)).toEqual([
      expect.stringContaining("it records such requests at level Metadata at most"),
    ]);
    await writeFile(policy, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{ level: Request }]\n");
    expect(lines((await load(text, { auditPolicy: policy })).warnings)).toEqual([]);
  });

  it("may use its own names for fields, and take values from the configuration", async () => {
    const text = `title: A\n${HEAD}detection:\n  sel:\n    pod_image|expand: '%Bad%'\n    who|contains|expand: 'x-%Names%-\\%y'\n  condition: sel\n`;
    const sigma = {
      fields: { pod_image: ["requestObject.spec.containers.image"], who: ["user.username", "userAgent"] },
      placeholders: { Bad: ["alpine*", "busy*"], Names: ["a", "B"] },
    };
    const loaded = await load(text, { sigma });
    expect(lines([...loaded.refused, ...loaded.warnings])).toEqual([]);
    expect(run(loaded)).toEqual([]);
    expect(run(loaded, { ...EVENT, userAgent: "..X-b-%Y.." }).length).toBe(1);
    const refused = await load(text, { sigma: { ...sigma, placeholders: { Bat: ["x"] } } });
    expect(lines(refused.refused)[0]).toContain("no values for the placeholder %Bad%; did you mean %Bat%?");
  });

  it("finds what the mapping table names", async () => {
    const pod = (spec: object) => ({ ...EVENT, requestObject: { spec } });
    const names = (more: string) => `title: A\n${HEAD}detection: { sel: { ${more} }, condition: sel }\n`;
    const host = await load(names("hostPath: '*'"));
    const volumes = [{ name: "a" }, { name: "b", hostPath: { path: "/etc" } }];
    expect(run(host, pod({ volumes })).length).toBe(1);
    expect(run(host, pod({ template: { spec: { volumes } } })).length).toBe(1);
    expect(run(host, pod({ volumes: [{ emptyDir: {} }] }))).toEqual([]);
    expect(host.needs.bodies).toBe(true);
    const capable = await load(names("capabilities: '*'"));
    const container = { securityContext: { capabilities: { add: ["NET_ADMIN"] } } };
    expect(run(capable, pod({ initContainers: [{}, container] })).length).toBe(1);
    expect(run(capable, pod({ containers: [{ securityContext: {} }] }))).toEqual([]);
    const allowed = await load(names("responseStatus.code: ALLOW"));
    expect(run(allowed).length).toBe(1);
    expect(run(allowed, { ...EVENT, annotations: { "authorization.k8s.io/decision": "forbid" } })).toEqual([]);
    expect(run(await load(names("apiGroup: apps")), { ...EVENT, objectRef: { apiGroup: "apps" } }).length).toBe(1);
  });
});
