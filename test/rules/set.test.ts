import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Flag } from "../../src/plugin/index.js";
import { tryCheck } from "../../src/rules/compile.js";
import { interpret } from "../../src/rules/interpreter.js";
import { compileSet } from "../../src/rules/set.js";
import { Outcome } from "../../src/rules/tree.js";
import { batchOf } from "./events.js";
import { ruleOf } from "./rules.js";

const verb = fc.constantFrom('"get"', '"GET"', '"create"', '"cr\\u0065ate"', "null", "5", '["get"]', "{}", '""', '"x"');
const resource = fc.constantFrom('"pods"', '"secrets"', '"p\\u006fds"', "null", "5", '["pods"]', '""', '"other"');
const line = fc
  .tuple(fc.option(verb), fc.option(resource), fc.boolean())
  .map(([v, r, hasRef]) =>
    [
      '{"kind":"Event"',
      ...(v ? [`"verb":${v}`] : []),
      ...(hasRef ? [`"objectRef":{${r ? `"resource":${r}` : ""}}`] : []),
    ]
      .join(",")
      .concat("}"),
  );
const oneTest = fc.constantFrom(
  'Verb = "get"',
  'Verb in ("get", "5", "")',
  'Verb in ("create", "[get]")',
  'Verb != "get"',
  'Verb not in ("get")',
  'ObjectRef.Resource = "pods"',
  'ObjectRef.Resource in ("secrets", "pods", "[pods]")',
  'ObjectRef.Resource = ""',
  "ObjectRef.Resource exists",
  'Level = ""',
);
const condition = fc
  .array(fc.tuple(fc.constantFrom("and", "or"), fc.boolean(), oneTest), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.map(([op, no, test], i) => `${i ? ` ${op} ` : ""}${no ? `(not ${test})` : test}`).join(""));

describe("a set of rules", { timeout: 180_000 }, () => {
  it("finds exactly the rules that match when each is tried on its own", () => {
    fc.assert(
      fc.property(fc.array(condition, { maxLength: 6 }), fc.array(line, { maxLength: 6 }), (conditions, lines) => {
        const rules = conditions.map((text, index) => ruleOf(String(index), text));
        const batch = batchOf(...lines);
        compileSet(rules).evaluate(batch);
        for (let row = 0; row < batch.count; row++) {
          const found = batch.matches(row).map(({ rule }) => rule);
          const event = batch.at(row);
          const tried = rules.filter((rule) => tryCheck((e) => interpret(rule.condition, e), event) === Outcome.yes);
          expect(found, lines[row]).toEqual(tried.map(({ info }) => info.name));
        }
      }),
      { numRuns: 1500 },
    );
  });

  it("finds exactly the rules that match on bodies, however many kinds of events need keys of their own", () => {
    const key = fc.constantFrom(...Array.from({ length: 12 }, (_, i) => `key${i}`));
    const rule = fc.tuple(fc.nat(30), fc.array(key, { minLength: 1, maxLength: 3 }));
    const body = fc.tuple(fc.nat(30), fc.dictionary(key, fc.constantFrom("yes", "no"), { noNullPrototype: true }));
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 30, maxLength: 60 }),
        fc.array(body, { minLength: 40, maxLength: 60 }),
        (rules, bodies) => {
          const set = rules.map(([resource, keys], index) => {
            const tests = keys.map((name) => `RequestObject.labels.${name} = "yes"`);
            return ruleOf(String(index), `ObjectRef.Resource = "r${resource}" and (${tests.join(" or ")})`);
          });
          const events = bodies.map(([resource, labels]) => ({
            kind: "Event",
            objectRef: { resource: `r${resource}` },
            requestObject: { labels },
          }));
          const batch = batchOf(...events);
          compileSet(set).evaluate(batch);
          for (const [row, [resource, labels]] of bodies.entries()) {
            const matching = rules.flatMap(([of, keys], index) =>
              of === resource && keys.some((name) => labels[name] === "yes") ? [String(index)] : [],
            );
            expect(batch.matches(row).map(({ rule }) => rule)).toEqual(matching);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it("finds rules that need more keys than are looked for, whatever needed some of them before", () => {
    const others = Array.from({ length: 499 }, (_, i) =>
      ruleOf(`o${i}`, `Verb = "o" and RequestObject.other${i} = "x"`),
    );
    const set = compileSet([
      ruleOf("one", 'ObjectRef.Resource = "a" and RequestObject.first = "x"'),
      ...others,
      ruleOf("two", 'ObjectRef.Resource = "b" and RequestObject.first[*].second = "x"'),
    ]);
    const batch = batchOf(
      { kind: "Event", objectRef: { resource: "a" }, requestObject: { first: "x" } },
      { kind: "Event", objectRef: { resource: "b" }, requestObject: { first: [{ second: "x" }] } },
    );
    set.evaluate(batch);
    expect([0, 1].map((row) => batch.matches(row).map(({ rule }) => rule))).toEqual([["one"], ["two"]]);
  });

  it("looks at the stages it was given, and at unknown stages", () => {
    const batch = batchOf(
      ...["RequestReceived", "ResponseComplete", "Panic", "Other"].map((stage) => ({ kind: "Event", stage })),
      { kind: "Event" },
    );
    compileSet([ruleOf("some", "Level exists", ["ResponseComplete"]), ruleOf("all", "Level exists")]).evaluate(batch);
    const found = Array.from({ length: batch.count }, (_, row) =>
      batch
        .matches(row)
        .map(({ rule }) => rule)
        .join(),
    );
    expect(found).toEqual(["all", "some,all", "all", "some,all", "some,all"]);
  });

  it("knows a value by its number only in batches that number values alike", () => {
    const set = compileSet([ruleOf("R", 'Verb = "get"')]);
    const matching = (...verbs: string[]) => {
      const batch = batchOf(...verbs.map((verb) => ({ kind: "Event", verb })));
      set.evaluate(batch);
      return verbs.filter((_, row) => batch.matches(row).length > 0);
    };
    expect(matching("get", "list", "get")).toEqual(["get", "get"]);
    expect(matching("list", "get", "watch")).toEqual(["get"]);
    expect(matching("watch", "list")).toEqual([]);
  });

  it("leaves invalid lines and dropped events alone, and marks the others", () => {
    const batch = batchOf("nonsense", { kind: "Event" }, { kind: "Event" });
    batch.setFlags(1, Flag.dropped);
    const set = compileSet([ruleOf("R", "Level exists")]);
    set.evaluate(batch);
    expect([0, 1, 2].map((row) => batch.matches(row).length)).toEqual([0, 0, 1]);
    expect(batch.flags(2) & (Flag.matched | Flag.archived | Flag.alerting)).toBe(Flag.matched | Flag.archived);
    expect(batch.rules).toBe(set.hash);
  });

  it("tells which rules failed on an event, and goes on with the others", () => {
    const batch = batchOf({ kind: "Event", verb: "get" }, { kind: "Event", verb: "7" });
    const failed: string[] = [];
    const set = compileSet([ruleOf("bad", "Verb > 1"), ruleOf("good", 'Verb = "get"')]);
    set.evaluate(batch, ({ rule }) => failed.push(rule));
    expect(failed).toEqual(["bad"]);
    expect([0, 1].map((row) => batch.matches(row).map(({ rule }) => rule))).toEqual([["good"], ["bad"]]);
  });

  it("gives the same answers when there are more different values than are kept", () => {
    const lines = Array.from({ length: 3000 }, (_, index) => ({
      kind: "Event",
      verb: "get",
      user: { username: `user-${index % 1500}-${"x".repeat(index % 300)}` },
    }));
    const batch = batchOf(...lines);
    compileSet([ruleOf("even", 'User.username regex "^user-[0-9]*[02468]-"')]).evaluate(batch);
    for (let row = 0; row < batch.count; row++) expect(batch.matches(row).length).toBe((row % 1500) % 2 === 0 ? 1 : 0);
  });

  it("gives the same answers when there are more kinds of events than it learns from", () => {
    const names = Array.from({ length: 60 }, (_, index) => `n${index}`);
    const conditions = names.map((name) => `Verb = "${name}" and ObjectRef.Resource = "${name}"`);
    const rules = conditions.flatMap((text) => [ruleOf(text, text), ruleOf(`not ${text}`, `not (${text})`)]);
    const lines = names.flatMap((verb) => names.map((resource) => ({ kind: "Event", verb, objectRef: { resource } })));
    const set = compileSet(rules);
    for (let round = 0; round < 40; round++) {
      const batch = batchOf(...lines);
      set.evaluate(batch);
      const wrong = lines.filter(({ verb, objectRef }, row) => {
        const own = batch.matches(row).filter(({ rule }) => !rule.startsWith("not"));
        return batch.matches(row).length !== names.length || own.length !== (verb === objectRef.resource ? 1 : 0);
      });
      expect(wrong).toEqual([]);
    }
  });

  it("counts no failure if what is known about the event rules the rule out", () => {
    const batch = batchOf({ kind: "Event", verb: "get", objectRef: { resource: "a" }, requestObject: { n: "x" } });
    const failed: string[] = [];
    const set = compileSet([
      ruleOf("out", 'ObjectRef.Resource = "b" and RequestObject.n > 1'),
      ruleOf("either", '(ObjectRef.Resource = "b" and RequestObject.n > 1) or Verb = "list"'),
      ruleOf("in", 'ObjectRef.Resource = "a" and RequestObject.n > 1'),
      ruleOf("saved", 'RequestObject.n > 1 or Verb = "get"'),
    ]);
    set.evaluate(batch, ({ rule }) => failed.push(rule));
    expect(failed).toEqual(["in", "saved"]);
    expect(batch.matches(0)).toEqual([]);
  });

  it("survives events that are nested 100,000 deep", () => {
    const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    const arrays = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const batch = batchOf(
      `{"kind":"Event","verb":"get","requestObject":${deep}}`,
      `{"kind":"Event","verb":"get","requestObject":{"a":${arrays}}}`,
    );
    const conditions = ["RequestObject exists", 'RequestObject.a contains "x"', "RequestObject.a.a.a.a exists"];
    const set = compileSet([...conditions.map((text, i) => ruleOf(`${i}`, text)), ruleOf("last", 'Verb = "get"')]);
    expect(() => set.evaluate(batch)).not.toThrow();
    for (let row = 0; row < batch.count; row++)
      if (!(batch.flags(row) & Flag.invalid)) expect(batch.matches(row).at(-1)?.rule).toBe("last");
  });

  it("reports on request the cost of each rule that was still possible", () => {
    const set = compileSet([
      ruleOf("A", 'RequestObject.a = "x"'),
      ruleOf("B", 'ObjectRef.Resource = "pods"'),
      ruleOf("C", "Verb exists"),
    ]);
    const lines = Array.from({ length: 5 }, (_, i) => ({
      verb: "get",
      objectRef: { resource: "nodes" },
      requestObject: { a: `y${i}` },
    }));
    const times = new Map<string, number>();
    set.evaluate(batchOf(...lines), undefined, ({ rule }, milliseconds) => {
      expect(milliseconds).toBeGreaterThanOrEqual(0);
      times.set(rule, (times.get(rule) ?? 0) + 1);
    });
    expect(times.get("C")).toBe(5);
    expect(times.get("B")).toBeUndefined();
  });
});
