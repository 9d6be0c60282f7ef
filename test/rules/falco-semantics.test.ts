import { describe, expect, it } from "vitest";
import { AuditshipError } from "../../src/plugin/index.js";
import { predicateOf } from "../../src/rules/condition.js";
import { interpret } from "../../src/rules/interpreter.js";
import { Outcome } from "../../src/rules/tree.js";
import { viewOf } from "./events.js";
import { parseFalco } from "./falco-conditions.js";

const EVENT = {
  auditID: "x",
  stage: "ResponseComplete",
  verb: "create",
  requestURI: "/api/v1/pods?q=1",
  stageTimestamp: "2018-10-25T13:58:49.736999999Z",
  user: { username: "Alice@example.com", groups: ["dev", "ops"] },
  objectRef: { resource: "pods", namespace: "shop", name: "web-0" },
  responseStatus: { code: 201 },
  requestObject: { data: {}, spec: { volumes: [{ name: "v", hostPath: { path: "/etc/kubernetes/pki" } }] } },
};

/** What both evaluators say. */
function holds(condition: string, event: unknown = EVENT, rules = ""): boolean {
  const tree = parseFalco(condition, rules);
  const view = viewOf(event);
  const compiled = predicateOf(tree)(view);
  expect(interpret(tree, view) === Outcome.yes, condition).toBe(compiled);
  return compiled;
}

function allHold(...conditions: string[]): void {
  for (const condition of conditions) expect(holds(condition), condition).toBe(true);
}

function noneHolds(...conditions: string[]): void {
  for (const condition of conditions) expect(holds(condition), condition).toBe(false);
}

function refusal(condition: string, rules = ""): string {
  try {
    parseFalco(condition, rules);
  } catch (error) {
    expect(error).toBeInstanceOf(AuditshipError);
    const { place, message } = error as AuditshipError;
    return `${place.file ?? ""}${place.line}:${place.column} ${message}`;
  }
  throw new Error(`${condition} was taken`);
}

describe("a field that is absent", () => {
  it("makes every comparison false, even !=, and its negation true", () => {
    noneHolds("ka.target.subresource=x", "ka.target.subresource!=x", "ka.target.subresource exists");
    noneHolds("ka.target.subresource in ()", 'ka.target.subresource contains ""', "len(ka.target.subresource) >= 0");
    allHold("not ka.target.subresource=x", "not ka.target.subresource!=x", "not ka.target.subresource exists");
  });

  it("is one without auditID, whatever else is there", () => {
    const event = { verb: "get" };
    expect(holds("ka.verb=get", event)).toBe(false);
    expect(holds("not ka.verb=get", event)).toBe(true);
    expect(holds("ka.verb=get or jevt.value[/verb]=get", event)).toBe(true);
    expect(holds("not ka.verb=get and not jevt.value[/verb]=get", event)).toBe(false);
    expect(holds("jevt.value[/verb]=val(ka.verb)", event)).toBe(false);
  });

  it("also means a list without items, and a value of the wrong type", () => {
    expect(holds("ka.user.groups exists", { auditID: "x", user: { groups: [] } })).toBe(false);
    expect(holds("ka.user.groups exists", { auditID: "x", user: { groups: "ops" } })).toBe(false);
  });
});

describe("comparisons", () => {
  it("are of texts, byte by byte", () => {
    allHold("ka.response.code=201", "ka.response.code <= 99", "ka.response.code > 1234", "ka.verb != Create");
    noneHolds("ka.response.code >= 99", "ka.verb=Create", "ka.verb=creat");
  });

  it("end a text at a NUL", () => {
    const event = '{"auditID":"x","verb":"get\\u0000x","objectRef":{"name":"get\\u0000x"}}';
    for (const condition of [
      "ka.verb=get",
      "ka.verb in (get)",
      "ka.target.name=get",
      "ka.target.name <= 0 or ka.verb endswith t",
    ])
      expect(holds(condition, event), condition).toBe(true);
    for (const condition of [
      "ka.verb contains x",
      "ka.target.name != get",
      "ka.target.name > 9 and ka.verb endswith x",
    ])
      expect(holds(condition, event), condition).toBe(false);
  });

  it("look for parts, in any case only if they say so", () => {
    allHold("ka.verb contains eat", "ka.verb icontains EAT", "ka.verb startswith cr", "ka.verb endswith te");
    allHold('ka.verb contains ""', "ka.user.name icontains alice");
    noneHolds("ka.verb contains EAT", "ka.verb startswith e", "ka.verb endswith creat");
    expect(holds("ka.verb icontains É", { auditID: "x", verb: "é" })).toBe(false);
  });

  it("know globs over the whole text, slashes included", () => {
    allHold(
      "ka.uri glob /api/*",
      'ka.uri glob "*q=?"',
      "ka.verb glob [a-d]reate",
      "ka.verb glob [!x]*",
      "ka.verb iglob CREATE",
    );
    noneHolds("ka.uri glob api*", "ka.verb glob creat", "ka.verb glob CREATE", "ka.verb glob [[:digit:]]*");
  });

  it("know POSIX patterns of the whole text", () => {
    allHold(
      'ka.verb regex "cr.*e"',
      'ka.verb regex "^create$"',
      'ka.verb regex "(create|get)"',
      'ka.verb regex "[[:alpha:]]+?"',
    );
    noneHolds('ka.verb regex "creat"', 'ka.verb regex "CREATE"');
    for (const pattern of ["\\\\d", "(?i)create", "(a", "*a"])
      expect(refusal(`ka.verb regex "${pattern}"`)).toMatch(/^1:1 the pattern/);
  });

  it("know paths below others", () => {
    allHold("jevt.value[/requestObject/spec/volumes/0/hostPath/path] pmatch (/etc)");
    allHold("jevt.value[/requestObject/spec/volumes/0/hostPath/path] pmatch (/var, /etc/kube*)");
    noneHolds("jevt.value[/requestObject/spec/volumes/0/hostPath/path] pmatch (/etc/kube, /et)");
    allHold("ka.verb pmatch (/)");
  });

  it("of a list mean all its items (in) or some (intersects)", () => {
    allHold("ka.user.groups in (dev, ops, x)", "ka.user.groups intersects (x, ops)", "ka.user.groups exists");
    noneHolds("ka.user.groups in (dev)", "ka.user.groups in ()", "ka.user.groups intersects (x)");
    expect(refusal("ka.user.groups = dev")).toContain("1:1 = has no meaning for ka.user.groups, a list");
    expect(refusal("ka.user.groups startswith oneof (dev)")).toContain("startswith has no meaning");
  });

  it("of one text mean equality with one of them", () => {
    allHold("ka.verb in (get, create)", "ka.verb intersects (create)", "ka.verb in create");
    noneHolds("ka.verb in (get)", "ka.verb in ()");
  });

  it("with oneof mean exactly one, with anyof some, with allof all, of nothing none", () => {
    allHold("ka.verb startswith oneof (cr, de)", "ka.verb contains anyof (cr, ea)", "ka.verb contains allof (cr, ea)");
    allHold("ka.verb = anyof (create, get)", "ka.verb != allof (get, list)", "ka.verb != oneof (create, get)");
    noneHolds("ka.verb contains oneof (cr, ea)", "ka.verb = oneof (create, create)", "ka.verb contains allof (cr, x)");
    noneHolds("ka.verb = anyof ()", "ka.verb != allof ()", "ka.verb contains allof ()");
    allHold("not ka.verb contains oneof (cr, ea)");
  });

  it("with another field need val( ), and both of a kind", () => {
    const event = { auditID: "x", verb: "pods", objectRef: { resource: "pods" }, user: { groups: ["pods"] } };
    expect(holds("ka.verb = val(ka.target.resource)", event)).toBe(true);
    expect(holds("ka.verb = ka.target.resource", event)).toBe(false);
    expect(holds("ka.user.groups in val(ka.user.groups)", event)).toBe(true);
    expect(holds("ka.verb contains tolower(ka.target.resource)", event)).toBe(true);
    expect(holds("ka.verb != val(ka.target.name)", event)).toBe(false);
    expect(refusal("ka.verb in val(ka.user.groups)")).toContain("cannot be compared");
    expect(refusal("ka.verb regex val(ka.uri)")).toContain("takes no field on its right side");
  });

  it("refuse constants that the engine has no room for", () => {
    allHold(`not ka.verb=${"x".repeat(255)}`);
    expect(refusal(`ka.verb=${"x".repeat(256)}`)).toContain("256 bytes");
  });
});

describe("transformers", () => {
  it("change texts, letters of ASCII only", () => {
    allHold("toupper(ka.verb)=CREATE", "tolower(ka.user.name)=alice@example.com", 'basename(ka.uri)="pods?q=1"');
    expect(holds("b64(ka.verb)=hi", { auditID: "x", verb: "aGk=" })).toBe(true);
    expect(holds("b64(ka.verb)=hi", { auditID: "x", verb: "aGk" })).toBe(true);
    expect(holds("b64(ka.verb) exists", { auditID: "x", verb: "aG!" })).toBe(false);
    expect(holds("toupper(ka.verb)=é", { auditID: "x", verb: "é" })).toBe(true);
    expect(refusal("lower(ka.verb)=x")).toMatch(/^1:6 expected and, or, or the end/);
    expect(refusal("tolower(ka.verb, ka.uri)=x")).toContain("tolower() takes one field");
  });

  it("count bytes, and the items of a list", () => {
    allHold("len(ka.verb)=6", "len(ka.user.groups) > 1", "len(ka.user.groups) in (1, 2)", "len(toupper(ka.verb))=6");
    expect(holds("len(ka.verb)=2", { auditID: "x", verb: "é" })).toBe(true);
    expect(refusal("len(ka.verb)=six")).toContain("six is no whole number");
    expect(refusal("len(ka.verb) contains 6")).toContain("contains has no meaning for len(ka.verb), a number");
  });

  it("join and concatenate", () => {
    allHold('join("-", (ka.verb, ka.target.resource))=create-pods', 'join(",", ka.user.groups)="dev,ops"');
    allHold('concat(ka.verb, "/", ka.target.name)=create/web-0', 'join("-", ())=""');
    noneHolds("concat(ka.verb, ka.target.subresource) exists");
    expect(refusal("concat(ka.verb, ka.user.groups)=x")).toContain("concat() takes texts");
  });

  it("find options", () => {
    const event = { auditID: "x", user: { groups: ["-nt", "5", "--long", "-x", "rest", "-n"] } };
    expect(holds('getopt(ka.user.groups, "nt:")[t]=5', event)).toBe(true);
    expect(holds('getopt(ka.user.groups, "nt:") intersects (t)', event)).toBe(true);
    expect(holds('getopt(ka.user.groups, "nt:") intersects ("?")', event)).toBe(true);
    expect(holds('getopt(ka.user.groups, "nq:")[q] exists', event)).toBe(false);
  });

  // What has been changed ends in a NUL for the engine, which counts where lengths are compared.
  it("make lists unequal to what is written, as in the engine", () => {
    noneHolds("tolower(ka.user.groups) intersects (dev)", "ka.verb in tolower(ka.verb)");
    allHold("tolower(ka.verb) in (create)", "ka.verb = tolower(ka.verb)");
  });
});

describe("time", () => {
  it("is known to the nanosecond", () => {
    allHold(
      "jevt.rawtime=1540475929736999999",
      "jevt.rawtime exists",
      "not jevt.rawtime=0",
      "evt.rawtime > 1540475929736999998",
    );
    noneHolds("jevt.rawtime=1540475929737000000", "evt.rawtime > 1540475929736999999", "evt.rawtime.ns < 736999999");
    allHold("evt.time=13:58:49.736999999", 'evt.datetime.s="2018-10-25 13:58:49"', "evt.num=1", "evt.source=k8s_audit");
    allHold("evt.is_async=false", "not evt.asynctype exists");
  });
});

describe("lists and macros", () => {
  const list = (name: string, items: string) => `- list: ${name}\n  items: [${items}]\n`;
  const macro = (name: string, condition: string) => `- macro: ${name}\n  condition: ${condition}\n`;

  it("insert lists as text, wherever their name occurs as a word", () => {
    const rules = list("verbs", "get, create") + list("pods", "x");
    expect(holds("ka.verb in (verbs)", EVENT, rules)).toBe(true);
    expect(holds("ka.verb in (list, verbs)", EVENT, rules)).toBe(true);
    expect(holds("ka.target.resource=pods", EVENT, rules)).toBe(false);
    expect(holds('ka.target.resource="pods"', EVENT, rules)).toBe(true);
    expect(holds("ka.verb in (nolist)", EVENT, rules)).toBe(false);
  });

  it("remove a comma together with an empty list", () => {
    const rules = list("none", "");
    expect(holds("ka.verb in (create, none)", EVENT, rules)).toBe(true);
    expect(holds("ka.verb in (none, create)", EVENT, rules)).toBe(true);
    expect(holds("ka.verb in (none)", EVENT, rules)).toBe(false);
  });

  it("insert lists into lists, one level deep", () => {
    const rules = list("a", "create") + list("b", "a") + list("c", "b");
    expect(holds("ka.verb in (b)", EVENT, rules)).toBe(true);
    expect(holds("ka.verb in (c)", EVENT, rules)).toBe(false);
  });

  it("quote items with blanks", () => {
    expect(holds("ka.verb in (l)", { auditID: "x", verb: "a b" }, list("l", '"a b"'))).toBe(true);
  });

  it("keep items as they are spelt", () => {
    const rules = list("l", "010, true, 1.0, ~x");
    for (const verb of ["010", "true", "1.0", "~x"])
      expect(holds("ka.verb in (l)", { auditID: "x", verb }, rules)).toBe(true);
  });

  it("treat a macro as a unit", () => {
    const rules = macro("m", "ka.verb=get or ka.verb=create");
    expect(holds("m and ka.stage=Panic", EVENT, rules)).toBe(false);
    expect(holds("not m", EVENT, rules)).toBe(false);
  });

  it("let a macro use only those defined before it was last defined", () => {
    const late = macro("a", "b") + macro("b", "ka.verb=create");
    expect(refusal("a", late)).toContain("Macro a: the macro b is defined further down");
    const again = `${macro("a", "b") + macro("b", "ka.verb=create") + macro("a", "b")}`;
    expect(holds("a", EVENT, again)).toBe(true);
  });

  it("append as text", () => {
    const append = "- macro: m\n  condition: and ka.stage=Panic\n  override: {condition: append}\n";
    expect(holds("m", EVENT, macro("m", "ka.verb=create or ka.verb=get") + append)).toBe(true);
    expect(holds("m", EVENT, macro("m", "(ka.verb=create or ka.verb=get)") + append)).toBe(false);
  });
});

describe("an error is reported with its place", () => {
  it("in the condition", () => {
    expect(refusal("ka.verb=get and\n  ka.vrb=x")).toBe(
      "2:3 there is no field ka.vrb; did you mean ka.verb?, near “ka.verb=get and »ka.vrb=x” (LOAD_ERR_COMPILE_CONDITION).",
    );
    expect(refusal("ka.verb=get && x")).toContain(
      "1:13 expected and, or, or the end of the condition behind “get”; write and",
    );
    expect(refusal("kevt and x")).toContain("1:1 there is no macro kevt");
    expect(refusal("ka.verb[1]=x")).toContain("ka.verb takes nothing in brackets");
    expect(refusal("ka.uri.param=x")).toContain("ka.uri.param takes an argument");
    expect(refusal("ka.user.groups=x")).toContain("a list");
    expect(refusal("ka.req.role.rules.verbs[01] in (x)")).toContain("takes an index, not 01");
    expect(refusal('jevt.value["/a b"]=x')).toContain("takes no blanks");
    expect(refusal("")).toContain("1:1 the condition is empty");
    expect(refusal("proc.name=x")).toContain("there is no field proc.name");
  });

  it("behind a list, where it was written", () => {
    const rules = "- list: verbs\n  items: [a, b, c, d, e, f]\n";
    expect(refusal("ka.verb in (verbs) and ka.vrb=x", rules)).toMatch(/^1:24 there is no field/);
  });

  it("in a macro, in its file", () => {
    expect(refusal("m", "- macro: m\n  condition: ka.verb= )\n")).toMatch(/^rules.yaml2:23/);
  });
});
