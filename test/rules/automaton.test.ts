import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, it } from "vitest";
import { Automaton, type Needle } from "../../src/rules/automaton.js";
import { literalsOf } from "../../src/rules/literal.js";

const letters = fc.constantFrom("a", "b", "ab", "é", "/", '"', "\\", "&", "\n", "€");
const text = fc.array(letters, { maxLength: 8 }).map((parts) => parts.join(""));
const needle = fc.record({
  text: fc.array(letters, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("")),
  begins: fc.boolean(),
  ends: fc.boolean(),
});

/** A JSON string of the text, with some characters as escapes that need none. */
function spell(value: string, odd: boolean[]): string {
  const unicode = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  const written = [...value].map((character, i) => {
    if (odd[i % odd.length]) return character === "/" ? "\\/" : unicode(character);
    return JSON.stringify(character).slice(1, -1);
  });
  return `"${written.join("")}"`;
}

function occurs({ text, begins, ends }: Needle, value: string): boolean {
  if (begins && ends) return value === text;
  if (begins) return value.startsWith(text);
  return ends ? value.endsWith(text) : value.includes(text);
}

function find(automaton: Automaton, json: string): number {
  const bytes = Buffer.from(` ${json} `);
  return automaton.run(bytes, 1, bytes.length - 1);
}

describe("the automaton", () => {
  it("finds in a string, however it is written, exactly the texts that are in it", () => {
    fc.assert(
      fc.property(
        fc.array(needle, { maxLength: 12 }),
        fc.array(text, { minLength: 1, maxLength: 4 }),
        fc.array(fc.boolean(), { minLength: 1 }),
        (needles, values, odd) => {
          const automaton = new Automaton();
          const numbers = needles.map((one) => automaton.add(one));
          for (const value of values) {
            const set = find(automaton, spell(value, odd));
            expect(set).toBeGreaterThanOrEqual(0);
            for (const [i, one] of needles.entries())
              expect(automaton.has(set, numbers[i]), `${JSON.stringify(one)} in ${value}`).toBe(occurs(one, value));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("misses no text that is in some string of a larger value", () => {
    fc.assert(
      fc.property(fc.array(needle, { maxLength: 8 }), fc.array(text), (needles, values) => {
        const automaton = new Automaton();
        const numbers = needles.map((one) => automaton.add(one));
        const set = find(automaton, JSON.stringify({ values, keys: Object.fromEntries(values.map((v) => [v, 1])) }));
        for (const [i, one] of needles.entries())
          if (values.some((value) => occurs(one, value))) expect(automaton.has(set, numbers[i])).toBe(true);
      }),
    );
  });

  it("gives no answer for half surrogate pairs and invalid escapes", () => {
    const automaton = new Automaton();
    automaton.add({ text: "a", begins: false, ends: false });
    for (const json of ['"\\ud83d"', '"\\ud83d\\ude00"', '"\\x"', '"\\u00g0"', '"\\'])
      expect(find(automaton, json)).toBe(-1);
  });

  it("refuses texts that several byte sequences decode to, the empty text, and too many texts", () => {
    const automaton = new Automaton();
    const plain = (value: string) => automaton.add({ text: value, begins: false, ends: false });
    expect([plain("\ufffd"), plain("\ud800"), plain(""), plain("x".repeat(20_000))]).toEqual([-1, -1, -1, -1]);
    for (let i = 0; i < 2000; i++) plain(`${i} of so many`);
    expect(plain("one more")).toBe(-1);
    expect(find(automaton, '"17 of so many"')).toBeGreaterThan(0);
  });

  it("keeps a bounded number of sets of texts found together, and gives no answer beyond", () => {
    const automaton = new Automaton();
    const names = Array.from({ length: 100 }, (_, i) => `<${i}>`);
    for (const name of names) automaton.add({ text: name, begins: false, ends: false });
    const pairs = names.flatMap((a) => names.map((b) => find(automaton, `"${a}${b}"`)));
    expect(pairs).toContain(-1);
    expect(Math.max(...pairs)).toBeLessThan(5000);
  });
});

describe("the texts of which every match of a pattern contains one", () => {
  const none: Needle[] = [];
  const one = (text: string, begins = false, ends = false) => [{ text, begins, ends }];
  it.each([
    ["^system:node:", one("system:node:", true)],
    ["/proxy/(metrics|stats)([/?]|$)", [...one("/proxy/metrics"), ...one("/proxy/stats")]],
    ["^(/spec|/?$)", none],
    ["a|b", none],
    ["(?i)abc", none],
    ["abc*d", one("ab")],
    ["xa+bcd$", one("bcd", false, true)],
    ["a\\.b[.]cd", one("a.b")],
    ["ab(cd)?", one("ab")],
    ["ab{0,3}c", one("a")],
    ["^/(healthz|livez)([/?]|$)", [...one("/healthz", true), ...one("/livez", true)]],
    ["a(?:b|c\\|)+d", [...one("ab"), ...one("ac|")]],
    ["(ab|)c(d|e)$", [...one("cd", false, true), ...one("ce", false, true)]],
    ["\\x61bc", none],
    ["[^]abc]x", one("x")],
    [".*", none],
  ])("of %s", (pattern, literal) => {
    expect(literalsOf(pattern)).toEqual(literal);
  });

  it("are few", () => {
    expect(literalsOf("(a|b)(c|d)(e|f)(g|h)")).toHaveLength(16);
    expect(literalsOf("(a|b)(c|d)(e|f)(g|h)(ij|kl)")).toHaveLength(16);
  });

  it("is in every text that a random pattern matches", () => {
    const part = fc.constantFrom(
      "a",
      "b",
      "/",
      "\\.",
      ".",
      "[ab]",
      "[^a]",
      "\\d",
      "(a|b)",
      "(?:ab)",
      "(a(b)?)",
      "(/a|b1)",
      "(?:1|a\\.|)",
      "^",
      "$",
      "é",
    );
    const repeat = fc.constantFrom("", "", "", "*", "+", "?", "{2}", "{0,1}", "+?");
    const pattern = fc.array(fc.tuple(part, repeat), { minLength: 1, maxLength: 6 });
    const value = fc.array(fc.constantFrom("a", "b", "/", ".", "1", "é", "\n"), { maxLength: 8 });
    let matched = 0;
    fc.assert(
      fc.property(pattern, fc.array(value, { minLength: 10, maxLength: 10 }), (parts, values) => {
        const source = parts.map(([atom, more]) => (atom === "^" || atom === "$" ? atom : atom + more)).join("");
        const literals = literalsOf(source);
        if (literals.length === 0) return;
        const compiled = RE2JS.compile(source);
        for (const characters of values) {
          const tried = characters.join("");
          if (!compiled.test(tried)) continue;
          matched++;
          expect(
            literals.some((literal) => occurs(literal, tried)),
            `${source} on ${tried}`,
          ).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
    expect(matched).toBeGreaterThan(100);
  });
});
