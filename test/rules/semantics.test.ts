import { describe, expect, it } from "vitest";
import { interpret } from "../../src/rules/interpreter.js";
import { Outcome } from "../../src/rules/tree.js";
import { compileAny, parseCondition } from "./conditions.js";
import { viewOf } from "./events.js";

const POD = {
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  level: "RequestResponse",
  stage: "ResponseComplete",
  verb: "CREATE",
  user: { username: "alice", groups: ["dev", "ops"], extra: { "a/b": ["x"], scopes: ["openid"] } },
  sourceIPs: ["10.0.0.1", "192.168.0.1"],
  objectRef: { resource: "pods", namespace: "shop", name: "web:0" },
  responseStatus: { code: 201 },
  requestObject: {
    metadata: { labels: { app: "web", "tier.level": "front" }, annotations: {} },
    spec: {
      hostNetwork: true,
      replicas: "3",
      big: 1e21,
      small: 0.00001,
      nothing: null,
      empty: [],
      containers: [
        { name: "a", image: "nginx", ports: [{ containerPort: 80 }, { hostPort: 9090 }] },
        { name: "b", image: "busybox" },
        { name: "c", image: null },
      ],
    },
  },
  annotations: { decision: "allow" },
  requestReceivedTimestamp: "2024-05-01T04:03:04.12+02:00",
  stageTimestamp: "2024-05-01T02:03:04.345678Z",
};
const ANONYMOUS = { kind: "Event", apiVersion: "audit.k8s.io/v1", requestURI: "/healthz", objectRef: null };

/** Both evaluators' answer, which must be one. */
function answer(condition: string, event: object): boolean {
  const view = viewOf(event);
  const compiled = compileAny(condition)(view);
  expect(interpret(parseCondition(condition), view) === Outcome.yes).toBe(compiled);
  return compiled;
}

function cases(event: object, table: [condition: string, expected: boolean][]): void {
  for (const [condition, expected] of table)
    it(`${condition} is ${expected}`, () => expect(answer(condition, event)).toBe(expected));
}

describe("a number, compared with a text that Go reads as one,", () => {
  const CODES: [text: string, value: number | undefined][] = [
    ["1_000", 1000],
    ["1__000", undefined],
    ["1_e3", undefined],
    ["0x1p4", 16],
    ["-0X_F.8P-1", -7.75],
    ["0xp1", undefined],
    ["0x10", undefined],
    ["1e400", undefined],
    ["0x1p9999", undefined],
    ["-inf", -Infinity],
    ["infinity", Infinity],
    ["1_0e0_2", 1000],
  ];
  for (const [text, value] of CODES)
    it(`${text} is ${value}`, () => {
      const event = { responseStatus: { code: text } };
      for (const wanted of [1000, 16, -7.75])
        expect(answer(`ResponseStatus.code = ${wanted}`, event), `= ${wanted}`).toBe(value === wanted);
      expect(answer("ResponseStatus.code < -1000000", event)).toBe(value === -Infinity);
      expect(answer("(not (ResponseStatus.code = 5))", event)).toBe(value !== undefined);
    });
});

describe("a missing field", () => {
  cases(POD, [
    ['Missing = "x"', false],
    ['Missing != "x"', false],
    ["Missing > 1", false],
    ["Missing = true", false],
    ["Missing != true", false],
    ["Missing", false],
    ['Missing not contains "x"', false],
    ['Missing not in ("x")', false],
    ['Missing not like "x"', false],
    ['Missing not regex "x"', false],
    ["Missing exists", false],
    ["Missing not exists", true],
    ['not Missing = "x"', true],
    ["!Missing", true],
    ['RequestObject.spec.nothing = "<nil>"', false],
    ["RequestObject.spec.nothing exists", false],
    ['RequestObject.spec = "x"', false],
    ['RequestObject.spec != "x"', false],
  ]);
});

describe("the strings of KubeSphere's struct are empty when unset", () => {
  cases(ANONYMOUS, [
    ['Level = ""', true],
    ['Verb != ""', false],
    ['Verb in ("", "get")', true],
    ['UserAgent = ""', true],
    ['AuditID = ""', true],
    ['Stage = ""', true],
    ['Workspace = ""', true],
    ['Cluster = ""', true],
    ['Devops = ""', true],
    ['Message = ""', true],
    ["Level exists", true],
    ['ObjectRef.Name = ""', false],
    ['ObjectRef.Name != "x"', false],
    ["ObjectRef exists", false],
    ['User.username = ""', false],
    ["StageTimestamp exists", false],
    ["Latency exists", false],
    ["Latency < 5", false],
  ]);
  cases(POD, [
    ['ObjectRef.Subresource = ""', true],
    ['ObjectRef.Subresource != ""', false],
    ["ObjectRef exists", true],
  ]);
});

describe("names", () => {
  cases(POD, [
    ['objectref.RESOURCE = "pods"', true],
    ['user.userNAME = "alice"', true],
    ["responsestatus.Code = 201", true],
    ['requestobject.spec.containers[0].image = "nginx"', true],
    ['RequestObject.Spec.containers[0].image = "nginx"', false],
    ['annotations.decision = "allow"', true],
    ['annotations.Decision = "allow"', false],
    ['RequestObject.metadata.labels.tier.level = "front"', true],
    ["RequestObject.metadata.labels.tier exists", true],
    ["RequestObject.metadata.annotations exists", false],
    ['User.extra.scopes[*] = "openid"', true],
    ['RequestObject.__proto__ = "x"', false],
    ["RequestObject.constructor exists", false],
    ["RequestObject.toString exists", false],
  ]);
});

describe("values as text", () => {
  cases(POD, [
    ['Verb = "create"', true],
    ['Verb = "CREATE"', false],
    ['ResponseStatus.code = "201"', true],
    ["ResponseStatus.code in (201)", true],
    ["ResponseStatus.code in (201.0)", false],
    ['ResponseStatus.code > "1000"', true],
    ["ResponseStatus.code >= 201", true],
    ["ResponseStatus.code contains 20", true],
    ["RequestObject.spec.replicas = 3.0", true],
    ['RequestObject.spec.big = "1e+21"', true],
    ['RequestObject.spec.small = "1e-05"', true],
    ["RequestObject.spec.small < 1", true],
    ["RequestObject.spec.hostNetwork", true],
    ["RequestObject.spec.hostNetwork != false", true],
    ['RequestObject.spec.hostNetwork = "true"', true],
    ['User.groups = "[dev ops]"', true],
    ['User.groups contains "dev"', true],
    ['RequestObject.spec.containers contains "map[image:busybox name:b]"', true],
    ['RequestObject.spec.empty = "[]"', true],
    ['RequestReceivedTimestamp = "2024-05-01T02:03:04.120000Z"', true],
    ['RequestReceivedTimestamp > "2024-05-01T02:03:04.1"', true],
    ["Latency > 225.6", true],
    ["Latency < 225.7", true],
  ]);
});

describe("arrays", () => {
  cases(POD, [
    ['SourceIPs[*] = "10.0.0.1"', true],
    ['SourceIPs[*] in ("192.168.0.1")', true],
    ['SourceIPs[1] like "192*"', true],
    ['SourceIPs[0:2] like "10."', false],
    ['SourceIPs[:1] like "10."', true],
    ['SourceIPs[1:] regex "^192"', true],
    ['SourceIPs[1:9] regex "^192"', true],
    ['SourceIPs[5] != "x"', false],
    ['SourceIPs[5:] not contains "x"', false],
    ['SourceIPs[*] != "10.0.0.1"', true],
    ['not SourceIPs[*] = "10.0.0.1"', false],
    ["SourceIPs[*] exists", true],
    ["SourceIPs[7] exists", false],
    ["SourceIPs[7] not exists", true],
    ['RequestObject.spec.empty[*] != "x"', false],
    ["RequestObject.spec.containers[*].ports[*].hostPort > 0", true],
    ["RequestObject.spec.containers[0].ports[*].containerPort = 80", true],
    ["RequestObject.spec.containers[*].ports[0].hostPort > 0", false],
    ["RequestObject.spec.containers[0:2].ports[1].hostPort > 0", true],
    ['RequestObject.spec.containers[*].image not in ("nginx", "busybox")', false],
    ['RequestObject.spec.containers[2].image contains "nil"', true],
    ['RequestObject.spec.containers[2].image != "x"', false],
    ["RequestObject.spec.containers[2].image exists", false],
    ["RequestObject.spec.containers[0:2].image exists", true],
    ["RequestObject.spec.containers[*].nope exists", false],
    ["RequestObject.spec.containers[*].nope not exists", true],
    ['RequestObject.spec.missing[*].x != "y"', false],
    ["RequestObject.spec.missing[*].x not exists", true],
  ]);
});

describe("a condition that fails on the event is false as a whole", () => {
  cases(POD, [
    ["Verb > 1", false],
    ["not Verb > 1", false],
    ['Verb = "create" or Verb > 1', false],
    ['Verb > 1 or Verb = "create"', false],
    ['not (Verb = "x" and Verb > 1)', false],
    ["Verb", false],
    ["not Verb", false],
    ["ResponseStatus.code = true", false],
    ['not SourceIPs[*].x = "y"', false],
    ['not RequestObject.spec.hostNetwork[*] = "y"', false],
    // One item that is as it should be is enough under [*], so that a broken one beside it hides nothing.
    ["RequestObject.spec.containers[*].image = true", false],
  ]);
  cases({ ...POD, sourceIPs: ["soon", "1"] }, [
    ["SourceIPs[*] = 1", true],
    ["SourceIPs[0:2] = 1", false],
    ["not SourceIPs[0:2] = 1", false],
  ]);
});

describe("precedence", () => {
  const V = 'Verb = "create"';
  const X = 'Verb = "x"';
  cases(POD, [
    [`${V} or ${V} and ${X}`, false],
    [`${V} or (${V} and ${X})`, true],
    [`${X} and ${X} or ${V}`, true],
    [`not ${X} and ${X}`, true],
    [`(not ${X}) and ${X}`, false],
    [`${V} and not ${X} or ${V}`, false],
    [`not not ${V}`, true],
    [`!${X}`, true],
  ]);
});

describe("strings and patterns", () => {
  const event = { ...POD, userAgent: 'say "hi" \\ there', objectRef: { name: "a\\d", namespace: "é😀" } };
  cases(event, [
    ['UserAgent contains "hi"', true],
    // Never unescaped: the literal is `say \"hi`, with the backslash.
    ['UserAgent contains "say \\"hi"', false],
    ['UserAgent contains "\\ there"', true],
    ['ObjectRef.Name = "a\\d"', true],
    ['ObjectRef.Name regex "a\\\\d"', true],
    ['ObjectRef.Namespace = "é😀"', true],
    ['ObjectRef.Namespace regex "^.{2}$"', true],
    ['ObjectRef.Namespace > "z"', true],
    ['UserAgent like "say?*there"', true],
    ['UserAgent like "AY"', false],
    ['UserAgent regex "(?i)SAY"', true],
  ]);
  it("sees through the writer's escapes", () => {
    const line = '{"kind":"Event","verb":"\\u0067et","objectRef":{"resource":"p\\u006fds","name":"a\\/b"}}';
    const view = viewOf(line);
    for (const condition of ['Verb = "get"', 'ObjectRef.Resource in ("pods")', 'ObjectRef.Name contains "a/b"'])
      expect(compileAny(condition)(view)).toBe(true);
    expect(compileAny('ObjectRef.Resource contains "u006f"')(view)).toBe(false);
  });

  it("matches a pattern in time linear to the text", () => {
    const view = viewOf({ ...POD, userAgent: `${"a".repeat(100_000)}!` });
    expect(compileAny('UserAgent regex "^(a+)+$"')(view)).toBe(false);
  });
});

describe("annotations of stages", () => {
  it("give the workspace before the event's own does", () => {
    const view = viewOf({ ...POD, Workspace: "own" });
    expect(compileAny('Workspace = "own"')(view)).toBe(true);
    view.batch.annotate(0, "workspace", "team-a");
    expect(compileAny('workspace = "team-a"')(view)).toBe(true);
  });

  it("are seen under the name that the stage gave them", () => {
    const view = viewOf(POD);
    view.batch.annotate(0, "risk", 7);
    expect(compileAny("risk > 5")(view)).toBe(true);
    expect(compileAny("Risk > 5")(view)).toBe(false);
  });
});
