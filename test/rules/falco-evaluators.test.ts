import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type EventView, Flag, type RuleMatch } from "../../src/plugin/index.js";
import { Compiler, tryCheck } from "../../src/rules/compile.js";
import { interpret } from "../../src/rules/interpreter.js";
import type { Rule } from "../../src/rules/rule.js";
import { compileSet } from "../../src/rules/set.js";
import { type Expression, Outcome } from "../../src/rules/tree.js";
import { batchOf, rounds } from "./events.js";
import { parseFalco } from "./falco-conditions.js";

const SCALARS = [
  "ka.auditid",
  "ka.verb",
  "ka.stage",
  "ka.user.name",
  "ka.target.resource",
  "ka.target.name",
  "ka.target.subresource",
  "ka.target.pod.name",
  "ka.response.code",
  "ka.uri",
  "ka.uri.param[a]",
  "ka.auth.decision",
  "ka.req.configmap.obj",
  "ka.req.pod.host_network",
  "ka.req.container.privileged",
  "ka.req.volume.hostpath[a*]",
  "ka.req.binding.role",
  "ka.resp.name",
  "jevt.value[/a]",
  "jevt.value[/verb]",
  "jevt.value[/user]",
  "jevt.value[/user/groups/0]",
  "jevt.value[/requestObject/a~1b/1]",
  "json.value[requestObject]",
  "jevt.rawtime",
  "evt.source",
];
const LISTS = [
  "ka.user.groups",
  "ka.sourceips",
  "ka.req.binding.subjects",
  "ka.req.binding.subjects.serviceaccount_ns_names",
  "ka.req.role.rules",
  "ka.req.role.rules.verbs",
  "ka.req.role.rules.verbs[1]",
  "ka.req.pod.containers.name",
  "ka.req.pod.containers.image.repository",
  "ka.req.pod.containers.image.repository[0]",
  "ka.req.pod.containers.command",
  "ka.req.pod.containers.host_port",
  "ka.req.pod.initContainers.privileged",
  "ka.req.pod.containers.eff_run_as_user",
  "ka.req.pod.volumes.volume_type",
  "ka.req.pod.volumes.hostpath",
  "ka.req.service.ports",
];
const TEXTS = ["a", "b", "get", "1", "true", "null", "10", "201.0", "a/b", "é", "😀", "[]", "User", "\\\\ud83d"];

const text = fc.constantFrom(...TEXTS).map((value) => `"${value}"`);
const values = fc.array(text, { maxLength: 4 }).map((items) => `(${items.join(", ")})`);
const scalar = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...SCALARS) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom("tolower", "toupper", "basename", "b64"), fc.constantFrom(...SCALARS))
      .map(([name, field]) => `${name}(${field})`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'concat(ka.verb, "/", ka.user.name)',
      'join(",", (ka.verb, ka.uri))',
      'join(",", ka.user.groups)',
      'getopt(ka.user.groups, "ab:")[b]',
    ),
  },
);
const list = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...LISTS) },
  { weight: 1, arbitrary: fc.constantFrom(...LISTS).map((field) => `tolower(${field})`) },
  { weight: 1, arbitrary: fc.constant('getopt(ka.user.groups, "ab:")') },
);
const comparison = fc.constantFrom(
  ...["=", "==", "!=", "contains", "icontains", "startswith", "endswith", "glob", "iglob"],
);
const number = fc.constantFrom("0", "1", "3", "10");
const oneTest = fc.oneof(
  fc.tuple(scalar, comparison, text).map((parts) => parts.join(" ")),
  fc.tuple(scalar, comparison, fc.constantFrom("oneof", "anyof", "allof"), values).map((parts) => parts.join(" ")),
  fc.tuple(scalar, fc.constantFrom("<", "<=", ">", ">="), number).map((parts) => parts.join(" ")),
  fc.tuple(scalar, fc.constantFrom("in", "intersects", "pmatch"), values).map((parts) => parts.join(" ")),
  fc.tuple(list, fc.constantFrom("in", "intersects"), values).map((parts) => parts.join(" ")),
  fc.tuple(scalar, fc.constantFrom("regex"), fc.constantFrom('"a|b"', '"[a-z]+"', '"^g.*$"')).map((p) => p.join(" ")),
  fc.tuple(scalar, comparison, scalar).map(([left, operator, right]) => `${left} ${operator} ${asValue(right)}`),
  fc.tuple(scalar, fc.constant("in"), scalar).map(([left, operator, right]) => `${left} ${operator} ${asValue(right)}`),
  fc.tuple(list, fc.constantFrom("in", "intersects"), list).map(([a, operator, b]) => `${a} ${operator} ${asValue(b)}`),
  fc
    .tuple(fc.oneof(scalar, list), fc.constantFrom("=", "!=", ">", "<="), number)
    .map(([f, o, n]) => `len(${f}) ${o} ${n}`),
  fc.oneof(scalar, list).map((field) => `${field} exists`),
);
const condition = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    oneTest,
    fc.tuple(tie("tree"), fc.constantFrom("and", "or"), tie("tree")).map(([a, op, b]) => `(${a}) ${op} (${b})`),
    tie("tree").map((inner) => `not (${inner})`),
  ),
})).tree;

function asValue(operand: string): string {
  return operand.includes("(") ? operand : `val(${operand})`;
}

const key = fc.constantFrom(
  ...["a", "a/b", "metadata", "name", "kind", "namespace", "spec", "containers", "initContainers", "image", "command"],
  ...[
    "ports",
    "hostPort",
    "containerPort",
    "securityContext",
    "privileged",
    "runAsUser",
    "volumes",
    "hostPath",
    "path",
  ],
  ...["rules", "verbs", "sourceIPs", "subjects", "roleRef", "data", "type", "\\u0061", "__proto__", "constructor"],
);

/** JSON texts of any shape, in odd spellings, with keys that fields look for, some twice. */
const json = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.oneof(
      fc.constantFrom(...TEXTS).map((value) => JSON.stringify(value)),
      fc.constantFrom(
        '"\\u0061"',
        '"g\\u0065t"',
        '"\\ud83d"',
        '"\\ud83d\\u0041"',
        '"get\\u0000x"',
        '"a\\/b"',
        '"YQ=="',
        '"-ab1"',
      ),
      fc.constantFrom("0", "-0", "1", "1.0", "201.0", "1e400", "12345678901234567890", "null", "true", "false"),
      fc.string().map((value) => JSON.stringify(value)),
    ),
    fc.array(tie("value"), { maxLength: 3 }).map((items) => `[${items.join(" ,")}]`),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 5 }).map(object),
  ),
})).value;
function object(members: [string, string][]): string {
  return `{${members.map(([name, value]) => `"${name}" : ${value}`).join(", ")}}`;
}

const spec = fc.array(fc.tuple(key, json), { maxLength: 4 }).map(object);
const container = fc
  .array(fc.tuple(fc.constantFrom("name", "image", "command", "ports", "securityContext", "runAsUser"), json), {
    maxLength: 4,
  })
  .map(object);
const pod = fc
  .tuple(
    fc.array(fc.oneof({ weight: 3, arbitrary: container }, { weight: 1, arbitrary: json }), { maxLength: 3 }),
    spec,
  )
  .map(
    ([containers, volume]) =>
      `{"spec":{"containers":[${containers}],"initContainers":[${containers}],"volumes":[${volume}]}}`,
  );
const role = fc
  .array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc
          .array(fc.tuple(fc.constantFrom("verbs", "kind", "name", "namespace"), json), { maxLength: 4 })
          .map(object),
      },
      { weight: 1, arbitrary: json },
    ),
    { maxLength: 3 },
  )
  .map((items) => `{"rules":[${items}],"subjects":[${items}]}`);

/** In the place of an object of the envelope, whose keys are never there twice: of those, the table knows the last. */
const odd = fc.constantFrom('"x"', "[]", "{}", "null", "7", "[1]");

const member = (name: string, value: fc.Arbitrary<string>) =>
  fc.option(value, { freq: 5 }).map((found): [string, string][] => (found === null ? [] : [[name, found]]));
const members = (...parts: fc.Arbitrary<[string, string][]>[]) =>
  fc.tuple(...parts).map((lists) => object(lists.flat()));
const event = members(
  member("auditID", fc.oneof(fc.constantFrom('"x"', "null", "9"), json)),
  member("stage", json),
  member("verb", fc.oneof(fc.constantFrom('"get"', '"GET"'), json)),
  member("requestURI", fc.oneof(fc.constantFrom('"/b?a=1"', '"/b?a=a%2Fb&c"', '"/?a=1;b"', '"/%z?a=1"'), json)),
  member("user", fc.oneof({ weight: 4, arbitrary: members(member("username", json), member("groups", json)) }, odd)),
  member(
    "objectRef",
    fc.oneof(
      {
        weight: 4,
        arbitrary: members(
          member("resource", fc.oneof(fc.constant('"pods"'), json)),
          member("name", json),
          member("subresource", json),
        ),
      },
      odd,
    ),
  ),
  member("responseStatus", fc.oneof(members(member("code", json)), odd)),
  member("requestObject", fc.oneof(pod, role, json)),
  member("responseObject", fc.oneof(fc.constant('{"metadata":{"name":"a"}}'), json)),
  member("annotations", fc.oneof(fc.constant('{"authorization.k8s.io/decision":"a"}'), json)),
  member("stageTimestamp", fc.constantFrom('"2024-05-01T00:00:00.000001Z"', '"soon"', "null")),
  member("a", json),
);

/** With AUDITSHIP_LONG more than a million pairs of a tree and an event, for the decision tree too. */
const LONG = process.env.AUDITSHIP_LONG !== undefined;
const RUNS = Number(process.env.AUDITSHIP_FUZZ_RUNS ?? (LONG ? 200_000 : 3000));
/** Events that one decision tree is put to: the more there are, the more of them share what it has learned from others. */
const LEARNED_FROM = LONG ? 40 : 3;
/** Milliseconds for one test: the usual runs need seconds, on a busy machine more. */
const TIMEOUT = 40 * RUNS + 180_000;

describe("in Falco's dialect, the compiled closures and the interpreter", () => {
  it("agree on random conditions over hostile events, plain and negated", { timeout: TIMEOUT }, () => {
    let pairs = 0;
    fc.assert(
      fc.property(
        fc.array(condition, { minLength: 1, maxLength: 4 }),
        fc.array(event, { maxLength: 3 }),
        (texts, lines) => {
          const trees = texts.map((shown) => parseFalco(shown)).flatMap((tree): Expression[] => [tree, not(tree)]);
          const compiler = new Compiler();
          const checks = trees.map((tree) => compiler.condition(tree));
          const batch = batchOf(...lines);
          for (let row = 0; row < batch.count; row++) {
            if (batch.flags(row) & Flag.invalid) continue;
            const view = batch.at(row);
            compiler.next(view);
            for (const [index, tree] of trees.entries()) {
              pairs++;
              const compiled = tryCheck(checks[index], view);
              if (compiled !== oracle(tree, view))
                throw new Error(`closures say ${compiled}: ${texts[index >> 1]} (${index & 1}) on ${lines[row]}`);
            }
          }
        },
      ),
      { numRuns: RUNS },
    );
    expect(pairs).toBeGreaterThan(LONG ? 1_000_000 : RUNS);
  });

  it("agree with the decision tree, on events seen before too, where only the first rule counts", {
    timeout: TIMEOUT,
  }, () => {
    let pairs = 0;
    fc.assert(
      fc.property(
        fc.array(condition, { minLength: 1, maxLength: 5 }),
        fc.array(event, { maxLength: LEARNED_FROM, size: "max" }),
        fc.boolean(),
        (texts, lines, exclusive) => {
          const rules = texts.map((shown) => ruleOf(shown, exclusive));
          const set = compileSet(rules);
          for (const batch of rounds(lines)) {
            set.evaluate(batch);
            for (let row = 0; row < batch.count; row++) {
              if (batch.flags(row) & Flag.invalid) continue;
              pairs += rules.length;
              const all = rules.filter((rule) => oracle(rule.condition, batch.at(row)) === Outcome.yes);
              const matching = exclusive ? all.slice(0, 1) : all;
              const names = batch.matches(row).map(({ rule }) => rule);
              expect(names, lines[row]).toEqual(matching.map(({ info }) => info.name));
            }
          }
        },
      ),
      { numRuns: LONG ? 8000 : Math.ceil(RUNS / 6) },
    );
    expect(pairs).toBeGreaterThan(LONG ? 1_000_000 : RUNS / 6);
  });

  it("are tried on conditions that match and on those that do not", { timeout: TIMEOUT }, () => {
    const seen = new Map<Outcome, number>();
    fc.assert(
      fc.property(oneTest, event, (shown, line) => {
        const outcome = oracle(parseFalco(shown), batchOf(line).at(0));
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
      }),
      { numRuns: 1000, seed: 1 },
    );
    expect(seen.get(Outcome.yes)).toBeGreaterThan(50);
    expect(seen.get(Outcome.no)).toBeGreaterThan(100);
  });
});

const not = (operand: Expression): Expression => ({ type: "not", operand });

function oracle(tree: Expression, view: EventView): Outcome {
  return tryCheck((event) => interpret(tree, event), view);
}

function ruleOf(condition: string, exclusive: boolean): Rule {
  const match: RuleMatch = {
    rule: condition,
    dialect: "falco",
    priority: "Notice",
    rank: 1,
    actions: ["archived"],
    tags: [],
    facts: {},
    message: () => "",
  };
  const info = { ...match, dialect: "falco" as const, name: condition, enabled: true, place: {} };
  return { info, condition: parseFalco(condition), match, output: "", paths: [], exclusive };
}
