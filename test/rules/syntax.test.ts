import { describe, expect, it } from "vitest";
import { AuditshipError } from "../../src/plugin/index.js";
import { compileCondition } from "../../src/rules/index.js";
import { show } from "../../src/rules/tree.js";
import { parseCondition } from "./conditions.js";

function refusal(condition: string): AuditshipError {
  try {
    parseCondition(condition);
  } catch (error) {
    if (error instanceof AuditshipError) return error;
    throw error;
  }
  throw new Error(`not refused: ${condition}`);
}

describe("a syntax error is refused with its place and what was expected", () => {
  const refused: [condition: string, line: number, column: number, message: RegExp][] = [
    ["", 1, 1, /empty/],
    ["Verb =", 1, 7, /expected a string in double quotes or a number or a boolean, but the condition ends/],
    ["Verb = create", 1, 8, /found “create” \(strings stand in double quotes\)/],
    ['Verb = "a" AND Level = "b"', 1, 12, /keywords are in lower case: and/],
    ['Verb = "a"\nand', 2, 4, /expected a field, not, or \(/],
    ['Verb = "a" || Verb = "b"', 1, 12, /“\|” \(write or\)/],
    ["Verb = 'a'", 1, 8, /strings stand in "double quotes"/],
    ['Verb =~ "a"', 1, 7, /“~”/],
    ['Verb not\tin ("get")', 1, 6, /exactly one space/],
    ['Verb not  in ("get")', 1, 6, /exactly one space/],
    ['not input = "x"', 1, 1, /“not in” is read as an operator; write not \(…\)/],
    ['(Verb = "a"', 1, 12, /a \) for the \( at column 1/],
    ['Verb = "a")', 1, 11, /a \) without its \(/],
    ['Verb in ("a",)', 1, 14, /expected a string in double quotes or a number/],
    ['Verb in "a"', 1, 9, /expected \( or a list/],
    ['Verb = "a', 1, 8, /without its closing "/],
    ['Verb regex "("', 1, 12, /the pattern cannot be read/],
    ['Verb regex "(?=a)"', 1, 12, /the pattern cannot be read/],
    ["Verb > true", 1, 8, /expected a string in double quotes or a number/],
    ['SourceIPs[2:1] contains "1"', 1, 1, /ends before it starts/],
    ['SourceIPs[-1] contains "1"', 1, 10, /“\[”/],
    [`Verb > ${"9".repeat(400)}`, 1, 8, /beyond the range/],
    ['Verb "a"', 1, 6, /expected an operator, and, or, or the end/],
    ["Verb = ${nope}", 1, 8, /no macro, list or alias/],
  ];
  for (const [condition, line, column, message] of refused) {
    it(`${JSON.stringify(condition).slice(0, 60)} at ${line}:${column}`, () => {
      const error = refusal(condition);
      expect(error.place).toEqual({ line, column });
      expect(error.message).toMatch(message);
    });
  }
});

describe("the lexer takes the longest match", () => {
  const same: [condition: string, reading: string][] = [
    ["order", "order"],
    ["a.in.true", "a.in.true"],
    ['x in("a")', 'x in ("a")'],
    ['a.b. = "x"', 'a.b. = "x"'],
    ['a-b = "x"', 'a-b = "x"'],
    ["a=-1.5and b=2", "a = -1.5 and b = 2"],
    ["a=1 or(b)", "a = 1 or b"],
    ['a == "x"', 'a = "x"'],
    ['a = "x\\"', 'a = "x\\"'],
    ['a = "\\"x"', 'a = "\\"x"'],
    ["a not exists", "not (a exists)"],
  ];
  for (const [condition, reading] of same)
    it(`${condition} is ${reading}`, () => expect(show(parseCondition(condition))).toBe(reading));
});

describe("hostile conditions are refused or run within bounds", () => {
  it("refuses 99,000 parentheses in each other", () => {
    const text = `${"(".repeat(99_000)}Verb${")".repeat(99_000)}`;
    expect(refusal(text).message).toMatch(/nested too deeply/);
  });

  it("refuses 100,000 times not", () => {
    expect(refusal(`${"not ".repeat(100_000)} Verb`).message).toMatch(/nested too deeply/);
  });

  it("refuses and and or by turns without an end", () => {
    expect(refusal(`Verb${" and Verb or Verb".repeat(10_000)}`).message).toMatch(/nested too deeply/);
  });

  it("takes a condition of 1 MB", () => {
    const text = Array.from({ length: 40_000 }, (_, index) => `ObjectRef.Name = "n${index}"`).join(" or ");
    expect(text.length).toBeGreaterThan(1_000_000);
    expect(() => compileCondition(text)).not.toThrow();
  });
});

describe("a condition of the configuration", () => {
  it("may be bound to the envelope", () => {
    expect(() => compileCondition('RequestObject.a = "b"', { envelopeOnly: true })).toThrow(/lies in the body/);
    expect(() => compileCondition('Verb = "get"', { envelopeOnly: true })).not.toThrow();
  });

  it("is refused with the place of the name", () => {
    try {
      compileCondition('Level = "x" and\n  ResponseObject.a exists', { envelopeOnly: true });
    } catch (error) {
      expect((error as AuditshipError).place).toEqual({ line: 2, column: 3 });
      return;
    }
    throw new Error("not refused");
  });

  it("is refused for a name that is nearly one of ours", () => {
    expect(() => compileCondition('Verbb = "get"')).toThrow(/did you mean Verb\?/);
    expect(() => compileCondition('user.nmae = "x"')).toThrow(/No event has the field user.nmae/);
  });

  it("may name what a stage adds", () => {
    expect(() => compileCondition("geo-risk > 5")).not.toThrow();
  });
});
