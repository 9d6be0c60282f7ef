import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Flag } from "../../src/plugin/index.js";
import { describeMatch } from "../../src/rules/index.js";
import { event, named } from "./arbitraries.js";
import { batchOf } from "./events.js";
import { EVENT, lines, load, names, resource, rule } from "./loading.js";

const HUGE = 100_000;
const quoted = (text: string) => JSON.stringify(text);
const withCondition = (text: string) =>
  `{ name: R, type: rule, enable: true, priority: WARNING, condition: ${quoted(text)} }`;

describe("a hostile rule", () => {
  const refused: [that: string, items: string[], message: RegExp][] = [
    [
      "has 100,000 parentheses",
      [withCondition(`${"(".repeat(HUGE)}Verb exists${")".repeat(HUGE)}`)],
      /more than 200000 words/,
    ],
    [
      "has 1,000 parentheses",
      [withCondition(`${"(".repeat(1000)}Verb exists${")".repeat(1000)}`)],
      /nested too deeply/,
    ],
    ["has 100,000 nots", [withCondition(`${"not ".repeat(HUGE)}Verb exists`)], /nested too deeply/],
    ["has 100,000 exclamation marks", [withCondition(`${"!".repeat(HUGE)}Verb exists`)], /nested too deeply/],
    ["names a field 100,000 deep", [withCondition(`RequestObject${".a".repeat(HUGE)} exists`)], /more than 64 names/],
    ["opens 100,000 references", [withCondition("${".repeat(HUGE))], /a \$\{ without its \}/],
    ["lists 100,000 items", [withCondition(`Verb in ("a"${',"b"'.repeat(HUGE)})`)], /more than 200000 words/],
    ["repeats repetitions", [withCondition('Verb regex "((a{1000}){1000}){1000}"')], /invalid repeat count/],
    [
      "has a pattern that nests",
      [withCondition(`Verb regex "${"(".repeat(5000)}a${")".repeat(5000)}"`)],
      /nests too deeply/,
    ],
    ["has a pattern of 1 MB", [withCondition(`Verb regex "${"a".repeat(1 << 20)}"`)], /longer than 20000 characters/],
    [
      "has a pattern that becomes large",
      [withCondition(`Verb regex "(?i)${"\\\\p{L}{500}".repeat(30)}"`)],
      /it compiles to \d+ instructions, more than 3000/,
    ],
    [
      "has like with 10,000 stars",
      [withCondition(`Verb like "${"*a".repeat(10_000)}"`)],
      /longer than 20000 characters/,
    ],
    ["is its own list", ["{ name: R, type: list, list: &l [a, *l] }"], /list.1 is not as it should be/],
  ];
  for (const [that, items, message] of refused) {
    it(`is refused if it ${that}, and the others run`, async () => {
      const loaded = await load({ "a.yaml": resource([...items, rule("Good", "Verb exists")]) });
      expect(lines(loaded.refused)).toEqual([expect.stringMatching(message)]);
      expect(lines(loaded.refused)[0].length).toBeLessThan(600);
      expect(names(loaded, EVENT)).toEqual(["Good"]);
    });
  }

  it("is refused with its document if anchors multiply in it, or make a ring of it", async () => {
    const bomb = Array.from({ length: 8 }, (_, i) => {
      const items = Array(10).fill(i === 0 ? "a" : `*m${i - 1}`);
      return `{ name: x${i}, type: list, list: &m${i} [${items.join(",")}] }`;
    });
    const ring = resource([]).replace("spec:\n  rules:", "spec: { rules: [*all] }");
    const loaded = await load({
      "bomb.yaml": resource(bomb),
      "ring.yaml": `&all\n${ring}`,
      "good.yaml": resource([rule("Good", "Verb exists")]),
    });
    expect(lines(loaded.refused)).toEqual([
      expect.stringMatching(/^bomb.yaml: .*Excessive alias count/),
      expect.stringMatching(/^ring.yaml:\d+:\d+: Rule cr.\?: name is not as it should be/),
    ]);
    expect(names(loaded, EVENT)).toEqual(["Good"]);
  });

  it("runs in linear time, whatever its pattern and the text", async () => {
    const patterns = ["(a+)+$", "(x+x+)+y", "(a|a)*b", "(.*)*=", "(a?){500}a{500}$", "^(([a-z])+.)+[A-Z]([a-z])+$"];
    const rules = patterns.map((pattern, index) => rule(`R${index}`, `RequestURI regex "${pattern}"`));
    const loaded = await load({
      "a.yaml": resource([...rules, rule("Like", `RequestURI like "${"*a".repeat(500)}"`)]),
    });
    expect(lines(loaded.refused)).toEqual([]);
    expect(names(loaded, { ...EVENT, requestURI: `${"a".repeat(HUGE)}!` })).toEqual(["Like"]);
  });

  it("is given up where its pattern, its states being too many to keep, would take long in a long text", async () => {
    let seed = 1;
    const next = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed < 2 ** 31 ? "a" : "b";
    };
    const random = (length: number) => Array.from({ length }, next).join("");
    const end = `a${"b".repeat(1001)}1`;
    const loaded = await load({
      "a.yaml": resource([
        rule("Small", 'RequestURI regex "ab+1"'),
        rule("Large", 'RequestURI regex "a[ab]{1000}b[0-9]"'),
        rule("NotLarge", 'RequestURI not regex "a[ab]{1000}b[0-9]"'),
      ]),
    });
    expect(lines(loaded.refused)).toEqual([]);
    expect(names(loaded, { ...EVENT, requestURI: random(1000) + end })).toEqual(["Small", "Large"]);
    expect(names(loaded, { ...EVENT, requestURI: random(2 * HUGE) + end })).toEqual(["Small", "NotLarge"]);
  });

  it("finds nothing on a prototype, in names or in events", async () => {
    const items = ["__proto__", "constructor", "toString"].map(
      (name) => `{ name: ${name}, type: macro, macro: Verb exists }`,
    );
    const conditions = [
      "__proto__ exists",
      "constructor exists",
      "RequestObject.__proto__ exists",
      "User.toString exists",
    ];
    const loaded = await load({
      "a.yaml": resource([
        ...items,
        rule("Own", "${__proto__} and ${toString}"),
        ...conditions.map((text, i) => rule(`R${i}`, text)),
      ]),
    });
    expect(lines(loaded.refused)).toEqual([]);
    expect(names(loaded, { ...EVENT, requestObject: {} })).toEqual(["Own"]);
    const unknown = await load({ "a.yaml": resource([rule("R", "${hasOwnProperty}")]) });
    expect(lines(unknown.refused)).toEqual([
      expect.stringMatching(/There is no macro, list or alias \$\{hasOwnProperty\}/),
    ]);
  });
});

describe("a hostile event", () => {
  it("never keeps a match from being described", async () => {
    const output = [
      "ObjectRef.Name",
      "User.groups",
      "RequestObject.a[*].b",
      "$1",
      "SourceIPs[0]",
      "Latency",
      "Annotations.a",
    ];
    const loaded = await load({
      "a.yaml": resource([
        rule("Fields", "(not (Zzzzzzzzz exists))", `output: '${output.map((name) => `\${${name}}`).join(" ")}'`),
        rule("Sentence", "(not (Zzzzzzzzz exists))"),
      ]),
    });
    fc.assert(
      fc.property(event, (line) => {
        const batch = batchOf(line);
        loaded.set.evaluate(batch);
        if (batch.flags(0) & Flag.invalid) return;
        const described = batch.matches(0).map((match) => describeMatch(match, batch.at(0), 1) as { message: unknown });
        expect(described.map(({ message }) => typeof message)).toEqual(["string", "string"]);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("explaining", () => {
  it("says of random conditions what a set says, on hostile events too", async () => {
    const { explain } = await import("../../src/rules/index.js");
    const { compileSet } = await import("../../src/rules/set.js");
    const { ruleOf } = await import("./rules.js");
    fc.assert(
      fc.property(named, event, ({ name, tree }, line) => {
        const batch = batchOf(line);
        const one = { ...ruleOf(name, "Level"), condition: tree };
        compileSet([one]).evaluate(batch);
        if (batch.flags(0) & Flag.invalid) return;
        expect(explain(one.condition, batch.at(0)).outcome === "yes").toBe(batch.matches(0).length === 1);
      }),
      { numRuns: 1000 },
    );
  });
});
