import fc from "fast-check";
import { Field } from "../../src/plugin/index.js";
import { lowerText } from "../../src/rules/text.js";
import type { Expression, ValuesSource } from "../../src/rules/tree.js";
import { parseCondition } from "./conditions.js";

const PATHS = [
  "Verb",
  "level",
  "Stage",
  "AuditID",
  "RequestURI",
  "User.username",
  "User.groups",
  "User.groups[*]",
  "User.groups[0:2]",
  "User.extra.a.b",
  "User",
  "SourceIPs[*]",
  "SourceIPs[1]",
  "SourceIPs",
  "ObjectRef",
  "ObjectRef.Resource",
  "ObjectRef.Name",
  "ObjectRef.Subresource",
  "ResponseStatus.code",
  "ResponseStatus",
  "RequestObject",
  "RequestObject.a",
  "RequestObject.a.b",
  "RequestObject.a.b.a",
  "RequestObject.a[*]",
  "RequestObject.a[*].b",
  "RequestObject.a[0:2].b.a",
  "RequestObject.a[*].a[*].b",
  "RequestObject.b[1:].a[*]",
  "RequestObject.a.b[0]",
  "RequestObject.__proto__",
  "RequestObject.constructor.a",
  "RequestObject[*].a",
  "RequestObject.abc",
  "RequestObject.a.abc",
  "RequestObject.abc.b",
  "RequestObject.abc[*].a",
  "RequestObject.a[*].abc",
  "Annotations.a",
  "RequestReceivedTimestamp",
  "Latency",
  "Workspace",
  "Verb[0]",
  "Nothing",
];
const TEXTS = [
  "",
  "a",
  "b",
  "get",
  "Get",
  "1",
  "true",
  "f",
  "10",
  "2024-05-01T00:00:00.000000Z",
  "é",
  "😀",
  "[a b]",
  "a\\b",
  "/a/b",
  "abcd",
  "/api/exec",
];
const NUMBERS = ["0", "1", "-1", "10", "1.5", "201"];

const text = fc.constantFrom(...TEXTS).map((value) => `"${value}"`);
const literal = fc.oneof(text, fc.constantFrom(...NUMBERS));
const field = fc.constantFrom(...PATHS);
const oneTest = fc.oneof(
  fc.tuple(field, fc.constantFrom("=", "!=", "<", "<=", ">", ">="), literal).map((parts) => parts.join(" ")),
  fc.tuple(field, fc.constantFrom("=", "!="), fc.constantFrom("true", "FALSE")).map((parts) => parts.join(" ")),
  fc.tuple(field, fc.constantFrom("contains", "not contains"), literal).map((parts) => parts.join(" ")),
  fc
    .tuple(field, fc.constantFrom("in", "not in"), fc.array(literal, { minLength: 1, maxLength: 4 }))
    .map(([path, operator, items]) => `${path} ${operator} (${items.join(", ")})`),
  fc
    .tuple(
      field,
      fc.constantFrom("like", "not like", "regex", "not regex"),
      fc.constantFrom("a", "^a?.", "(?i)GET", "[ab]$", "^/a/", "bc+(d|$)", "^/(api|abcd)/", "/(exec|log)$"),
    )
    .map(([path, operator, pattern]) => `${path} ${operator} "${pattern}"`),
  fc.tuple(field, fc.constantFrom("exists", "not exists")).map((parts) => parts.join(" ")),
  field,
);
/** Conditions of KubeSphere's dialect, on whatever fields. */
export const condition = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    oneTest,
    fc.tuple(tie("tree"), fc.constantFrom("and", "or"), tie("tree")).map(([a, op, b]) => `(${a}) ${op} (${b})`),
    tie("tree").map((inner) => `not (${inner})`),
  ),
})).tree;

/** Tests of named values and of strings, as Sigma's rules make them. */
const location = fc.record({
  kind: fc.constant("values" as const),
  root: fc.constantFrom<ValuesSource["root"]>(
    Field.verb,
    Field.level,
    Field.auditID,
    Field.requestURI,
    Field.userUsername,
    Field.userGroups,
    Field.userExtra,
    Field.sourceIPs,
    Field.objectRefResource,
    Field.objectRefName,
    Field.objectRef,
    Field.responseStatusCode,
    Field.requestObject,
    Field.annotations,
    Field.requestReceivedTimestamp,
    "workspace",
    "other",
  ),
  names: fc.array(fc.constantFrom("a", "b", "abc", "__proto__", "constructor"), { maxLength: 3 }),
});
const folded = fc.constantFrom("lower" as const, undefined);
const wanted = fc.constantFrom(...TEXTS, "ge", "k", "10.0.0.0", "ab");
const comparison = fc.constantFrom("=" as const, "!=" as const, "<" as const, ">=" as const);
const valueTest = fc.oneof(
  fc
    .constantFrom("equals" as const, "contains" as const, "startsWith" as const, "endsWith" as const)
    .chain((op) => wanted.map((text) => ({ op, text }))),
  fc.array(wanted, { minLength: 1, maxLength: 4 }).map((texts) => ({ op: "in" as const, texts })),
  fc
    .constantFrom("a", "^g[\\s\\S]*t$", "^[\\s\\S]b", "(?i)GET", "^a", "bc$", "b+c")
    .map((pattern) => ({ op: "matches" as const, pattern })),
  fc.constantFrom(undefined, "member" as const, "null" as const).map((what) => ({ op: "exists" as const, what })),
  fc
    .tuple(comparison, fc.constantFrom(0, 1, 10, 201))
    .map(([compare, value]) => ({ op: "numeric" as const, compare, value })),
  fc.constantFrom("10.0.0.0/8", "::/0", "10.0.0.1").map((network) => ({ op: "inNetwork" as const, network })),
  fc
    .tuple(fc.constantFrom("hour" as const, "week" as const, "minute" as const), comparison, fc.constantFrom(0, 18, 23))
    .map(([part, compare, value]) => ({ op: "timePart" as const, part, compare, value })),
  fc
    .tuple(
      fc.constantFrom("equals" as const, "contains" as const, "startsWith" as const, "endsWith" as const),
      fc.array(location, { minLength: 1, maxLength: 2 }),
    )
    .map(([compare, of]) => ({ op: "likeValue" as const, compare, of })),
);
const namedTest = fc
  .tuple(
    fc.oneof({ weight: 5, arbitrary: location }, { weight: 1, arbitrary: fc.constant({ kind: "strings" as const }) }),
    folded,
    valueTest,
  )
  .filter(([source, , test]) => source.kind === "values" || test.op !== "likeValue")
  .map(([source, fold, test]): Expression => {
    const lower = (text: string) => (fold === "lower" ? lowerText(text) : text);
    const inCase =
      "text" in test
        ? { ...test, text: lower(test.text) }
        : "texts" in test
          ? { ...test, texts: test.texts.map(lower) }
          : test;
    return {
      type: "test",
      path: { text: "", source: { ...source, fold }, steps: [] },
      test: inCase,
      negated: false,
      text: "",
    };
  });
const namedTree = fc.letrec<{ tree: Expression }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    namedTest,
    fc
      .tuple(fc.constantFrom("and" as const, "or" as const), tie("tree"), tie("tree"))
      .map(([type, a, b]): Expression => ({ type, operands: [a, b] })),
    tie("tree").map((operand): Expression => ({ type: "not", operand })),
  ),
})).tree;

/** A tree and what to call it. */
export const named = fc.oneof(
  condition.map((source) => ({ name: source, tree: parseCondition(source) })),
  namedTree.map((tree) => ({ name: JSON.stringify(tree), tree })),
);

/** JSON texts of any shape, numbers and strings in odd spellings, keys twice. */
const scalar = fc.oneof(
  fc.constantFrom(...TEXTS).map((value) => JSON.stringify(value)),
  fc.constantFrom(
    '"\\u0061"',
    '"xabcdx"',
    '"/a\\/b/c"',
    '"x/api/exec"',
    '"/API/exec/b?c=d\\u0026a=b"',
    '"/api\\/exec"',
    '"/api/\\u0065xec"',
    '"/abcd/log"',
    '"\\u002fa/b"',
    '"g\\u0065t"',
    '"\\ud83d"',
    '"a\\/b"',
    '"\\u00e9"',
    '"\\u212a"',
    '"K"',
    '"10.0.0.1"',
    '"G\\u0045T"',
    '"2024-05-01T02:00:00+02:00"',
  ),
  fc.constantFrom("0", "-0", "1", "1.0", "1e0", "201", "1e400", "1e21", "0.00001", "12345678901234567890"),
  fc.constantFrom("null", "true", "false", "{}", "[]"),
  fc.string().map((value) => JSON.stringify(value)),
);
const key = fc.constantFrom(
  ...["a", "b", "a.b", "\\u0061", "__proto__", "constructor", "b.a"],
  ...["abc", "ab\\u0063", "a.abc", "abc.b", "xabc", "\\u0026abc"],
);
const json = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie("value"), { maxLength: 3 }).map((items) => `[${items.join(",")}]`),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 3 }).map(object),
  ),
})).value;

function object(members: [string, string][]): string {
  return `{${members.map(([name, value], index) => `"${name}"${SPACES[index % 4]}: ${value}`).join(", ")}}`;
}

/** Between a key and its colon. */
const SPACES = ["", "", " ", "\t"];

const member = (name: string, value: fc.Arbitrary<string>) =>
  fc.option(value, { freq: 5 }).map((found): [string, string][] => (found === null ? [] : [[name, found]]));
const members = (...parts: fc.Arbitrary<[string, string][]>[]) =>
  fc.tuple(...parts).map((lists) => object(lists.flat()));
const time = fc.constantFrom(
  '"2024-05-01T00:00:00.000000Z"',
  '"2024-05-01T00:00:00Z"',
  '"2024-05-01T00:00:00.001500Z"',
  '"2024-05-01T00:00:00.201Z"',
  '"2024-05-01T01:59:59.9999999+02:00"',
  '"2024-02-30T00:00:00Z"',
  '"soon"',
  "null",
);
const strings = fc.array(scalar, { maxLength: 3 }).map((items) => `[${items.join(",")}]`);
/** Lines that are an event of whatever shape. */
export const event = members(
  member("kind", fc.constant('"Event"')),
  member("level", scalar),
  member("auditID", scalar),
  member("requestURI", scalar),
  member("stage", fc.oneof(fc.constant('"ResponseComplete"'), json)),
  member("verb", fc.oneof(fc.constantFrom('"get"', '"GET"', '"create"'), json)),
  member(
    "user",
    fc.oneof(
      { weight: 4, arbitrary: members(member("username", scalar), member("groups", strings), member("extra", json)) },
      { weight: 1, arbitrary: json },
    ),
  ),
  member("sourceIPs", fc.oneof(strings, json)),
  member(
    "objectRef",
    fc.oneof(
      {
        weight: 4,
        arbitrary: members(
          member("resource", fc.oneof(fc.constantFrom('"a"', '"b"', '"\\u0061"'), json)),
          member("name", json),
          member("subresource", scalar),
        ),
      },
      { weight: 1, arbitrary: json },
    ),
  ),
  member("responseStatus", fc.oneof(members(member("code", scalar), member("status", scalar)), json)),
  member("requestObject", json),
  member("annotations", json),
  member("requestReceivedTimestamp", time),
  member("stageTimestamp", time),
  member("Workspace", scalar),
  member("other", json),
);
