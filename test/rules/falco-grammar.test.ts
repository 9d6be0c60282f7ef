import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parseCondition } from "../../src/rules/dialects/falco/parser.js";
import { show } from "../../src/rules/dialects/falco/syntax.js";
import { SyntaxProblem } from "../../src/rules/dialects/falco/syntax-problem.js";

const FILE = join(
  resolve(process.env.AUDITSHIP_TEST_DATA ?? join(import.meta.dirname, "../../../shared/data"), "falco"),
  "golden/filter_grammar.jsonl",
);

interface Case {
  in: string;
  ok: boolean;
  ast?: string;
  /** Offset, line, column where upstream's parser stopped. */
  pos?: [number, number, number];
}

describe.skipIf(!existsSync(FILE))("Falco's conditions are read as its own parser reads them", () => {
  const cases: Case[] = existsSync(FILE)
    ? readFileSync(FILE, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
    : [];

  it("has cases", () => expect(cases.length).toBeGreaterThan(500));

  for (const [index, { in: text, ok, ast, pos }] of cases.entries()) {
    it(`#${index} ${ok ? "takes" : "refuses"} ${JSON.stringify(text)}`, () => {
      const read = () => parseCondition({ text, name: "" });
      if (ok) {
        expect(show(read())).toBe(ast);
        return;
      }
      const problem = problemOf(read);
      expect(problem.at.offset).toBe(pos?.[0]);
    });
  }
});

function problemOf(read: () => unknown): SyntaxProblem {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(SyntaxProblem);
    return error as SyntaxProblem;
  }
  throw new Error("it was read");
}
