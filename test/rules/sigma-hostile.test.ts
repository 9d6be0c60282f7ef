import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LoadedRules, loadRules } from "../../src/rules/index.js";
import { batchOf } from "./events.js";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-sigma-"));
});
afterEach(() => rm(directory, { recursive: true }));

async function load(text: string): Promise<LoadedRules> {
  await writeFile(join(directory, "rules.yml"), text);
  return loadRules({ paths: [directory], archivingPriority: "DEBUG", alertingPriority: "WARNING" });
}

/** A rule of these searches and this condition. */
const rule = (searches: string, condition: string) =>
  `title: R\nlogsource: { product: kubernetes, service: audit }\ndetection:\n${searches}  condition: ${condition}\n`;
const problem = ({ refused }: LoadedRules): string =>
  refused
    .map((error) => error.line())
    .join("\n")
    .slice(0, 500);
const match = ({ set }: LoadedRules, ...events: object[]): number[] => {
  const batch = batchOf(...events);
  set.evaluate(batch);
  return events.map((_, row) => batch.matches(row).filter(({ dialect }) => dialect === "sigma").length);
};
const SEARCH = "  a: { verb: get }\n";

/** Everything here ends in the time of a test; what is not refused answers right. */
describe("a rule that is made to hurt", () => {
  it("by 100,000 parentheses is refused", async () => {
    expect(problem(await load(rule(SEARCH, `${"(".repeat(100_000)}a${")".repeat(100_000)}`)))).toContain(
      "more than 200 parentheses and nots in one another",
    );
    expect(problem(await load(rule(SEARCH, `${"not ".repeat(100_000)}a`)))).toContain("more than 200 parentheses");
  });

  it("by a condition of 1 MB is refused", async () => {
    expect(problem(await load(rule(SEARCH, `${"a or ".repeat(200_000)}a`)))).toContain("more than 10000 tests");
    expect(problem(await load(rule(SEARCH, "x".repeat(1_000_000))))).toContain("there is no search “xxx");
    expect(problem(await load(rule(SEARCH, `1 of ${"*a".repeat(500_000)}`)))).toContain("no search is meant by “*a*a");
  });

  it("by patterns of names that multiply is refused", async () => {
    const searches = Array.from({ length: 500 }, (_, i) => `  s${i}: { verb: get }\n`).join("");
    expect(problem(await load(rule(searches, `${"1 of s* or ".repeat(100)}1 of s*`)))).toContain(
      "more than 10000 tests",
    );
  });

  it("by anchors that multiply is refused", async () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `  l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(", ")}]\n`,
    );
    const refused = problem(await load(rule(`  l0: &l0 [x, y]\n${levels.join("")}`, "l12")));
    expect(refused).toContain("This is not valid YAML");
  });

  it("by lists in lists without end is refused", async () => {
    expect(problem(await load(rule(`  a: ${"[".repeat(50)}{verb: get}${"]".repeat(50)}\n`, "a")))).toContain(
      "nested more than 20 deep",
    );
    expect(problem(await load(rule(`  a: ${"[".repeat(50_000)}x${"]".repeat(50_000)}\n`, "a")))).not.toBe("");
  });

  it("by patterns that backtrack elsewhere takes time in proportion to the text", async () => {
    const loaded = await load(
      [
        rule("  a: { userAgent|re: '^(a+)+$' }\n", "a"),
        rule("  a: { requestURI|re: '(x|x)*y$' }\n", "a"),
        rule(`  a: { requestURI: '${"*a".repeat(200)}*b' }\n`, "a"),
      ].join("---\n"),
    );
    expect(problem(loaded)).toBe("");
    const long = `${"a".repeat(50_000)}!`;
    expect(match(loaded, { kind: "Event", userAgent: long, requestURI: long })).toEqual([0]);
    expect(match(loaded, { kind: "Event", userAgent: "aaa", requestURI: `${"a".repeat(200)}b` })).toEqual([2]);
  });

  it("by patterns that are huge is refused", async () => {
    expect(problem(await load(rule(`  a: { verb|re: '${"(a{1000}){1000}"}' }\n`, "a")))).toContain(
      "is no regular expression",
    );
    expect(problem(await load(rule(`  a: { verb|re: '${"a".repeat(20_000)}' }\n`, "a")))).toContain("more than 10000");
    expect(problem(await load(rule(`  a: { verb: '${"a*".repeat(20_000)}' }\n`, "a")))).toContain("more than 10000");
  });

  it("by values that multiply is refused", async () => {
    const dashes = " -a".repeat(10);
    expect(problem(await load(rule(`  a: { verb|windash|base64: '${dashes}' }\n`, "a")))).toContain(
      "more than 1000 values",
    );
    const loaded = await load(rule(`  a: { requestURI|windash|contains: '${dashes}' }\n`, "a"));
    expect(match(loaded, { kind: "Event", requestURI: " /a –a".repeat(6) })).toEqual([1]);
  });

  it("by names of JavaScript's own finds nothing", async () => {
    const searches =
      "  __proto__: { verb: get }\n  constructor: { constructor: '*', requestObject.__proto__.x: '*', toString: '*' }\n";
    const loaded = await load(rule(searches, "constructor"));
    expect(problem(loaded)).toBe("");
    expect(match(loaded, { kind: "Event", verb: "get", requestObject: {} })).toEqual([0]);
    expect(problem(await load(rule("  a: { verb|__proto__: x }\n", "a")))).toContain("no modifier “__proto__”");
    expect(match(await load(rule(searches, "__proto__")), { kind: "Event", verb: "get" })).toEqual([1]);
  });

  it("by 10,000 values is one look-up", async () => {
    const values = Array.from({ length: 10_000 }, (_, i) => `user-${i}`).join(", ");
    const loaded = await load(rule(`  a: { user.username: [${values}] }\n`, "a"));
    expect(
      match(
        loaded,
        { kind: "Event", user: { username: "USER-9999" } },
        { kind: "Event", user: { username: "user-x" } },
      ),
    ).toEqual([1, 0]);
  });

  it("by events of any depth and shape", async () => {
    const deep = `${"[".repeat(10_000)}{"a":"x"}${"]".repeat(10_000)}`;
    const objects = `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`;
    const loaded = await load(
      rule("  a: { requestObject.a: x }\n  b: { requestObject.a.a: null }\n  k: [x]\n", "a or k"),
    );
    const batch = batchOf(
      `{"kind":"Event","requestObject":${deep}}`,
      `{"kind":"Event","requestObject":{"a":${deep}}}`,
      `{"kind":"Event","requestObject":${objects}}`,
      `{"kind":"Event","requestObject":{"a":{"x":1},"a":"\\u0058"}}`,
      `{"kind":"Event","verb":"\\ud800","requestObject":"x\\u0000"}`,
    );
    loaded.set.evaluate(batch);
    const found = Array.from(
      { length: batch.count },
      (_, row) => batch.matches(row).filter(({ dialect }) => dialect === "sigma").length,
    );
    expect(found).toEqual([1, 1, 0, 1, 1]);
  });
});
