import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type EventView, Flag } from "../../src/plugin/index.js";
import { Compiler, tryCheck } from "../../src/rules/compile.js";
import { interpret } from "../../src/rules/interpreter.js";
import { compileSet } from "../../src/rules/set.js";
import { type Expression, Outcome } from "../../src/rules/tree.js";
import { condition, event, named } from "./arbitraries.js";
import { parseCondition } from "./conditions.js";
import { batchOf, isNumbered, rounds } from "./events.js";
import { ruleOf } from "./rules.js";

/** With AUDITSHIP_LONG more than a million pairs of a tree and an event. */
const LONG = process.env.AUDITSHIP_LONG !== undefined;
const RUNS = Number(process.env.AUDITSHIP_FUZZ_RUNS ?? (LONG ? 100_000 : 3000));
/** Events that one decision tree is put to: the more there are, the more of them share what it has learned from others. */
const LEARNED_FROM = LONG ? 40 : 4;
/** Milliseconds for one test: the usual runs need seconds, on a busy machine more. */
const TIMEOUT = 40 * RUNS + 180_000;

describe("the compiled closures and the interpreter", () => {
  it(
    "agree on random conditions over hostile events, plain and negated",
    () => {
      let pairs = 0;
      fc.assert(
        fc.property(
          fc.array(named, { minLength: 1, maxLength: 5 }),
          fc.array(event, { maxLength: 4 }),
          (conditions, lines) => {
            const trees = conditions.flatMap(({ tree }): Expression[] => [tree, not(tree)]);
            const compiler = new Compiler();
            const checks = trees.map((tree) => compiler.condition(tree));
            const batch = batchOf(...lines);
            for (let row = 0; row < batch.count; row++) {
              if (batch.flags(row) & Flag.invalid) continue;
              const view = batch.at(row);
              compiler.next(view);
              for (const [index, tree] of trees.entries()) {
                pairs++;
                const compiled = tryCheck(checks[index], view) === Outcome.yes;
                if (compiled !== (oracle(tree, view) === Outcome.yes))
                  throw new Error(
                    `closures say ${compiled}: ${conditions[index >> 1].name} (${index & 1}) on ${lines[row]}`,
                  );
              }
            }
          },
        ),
        { numRuns: RUNS },
      );
      expect(pairs).toBeGreaterThan(LONG ? 1_000_000 : RUNS);
    },
    TIMEOUT,
  );

  it(
    "agree with the decision tree, which folds conditions by what it knows of an event, on events seen before too",
    () => {
      let pairs = 0;
      let numbered = 0;
      fc.assert(
        fc.property(
          fc.array(named, { minLength: 1, maxLength: 5 }),
          fc.array(event, { maxLength: LEARNED_FROM, size: "max" }),
          (conditions, lines) => {
            const rules = conditions.flatMap(({ name, tree }) => [
              { ...ruleOf(name, "Level"), condition: tree },
              { ...ruleOf(`not (${name})`, "Level"), condition: not(tree) },
            ]);
            const set = compileSet(rules);
            for (const batch of rounds(lines)) {
              set.evaluate(batch);
              if (isNumbered(batch)) numbered++;
              for (let row = 0; row < batch.count; row++) {
                if (batch.flags(row) & Flag.invalid) continue;
                pairs += rules.length;
                const matching = rules.filter((rule) => oracle(rule.condition, batch.at(row)) === Outcome.yes);
                expect(
                  batch.matches(row).map(({ rule }) => rule),
                  lines.join("\n"),
                ).toEqual(matching.map(({ info }) => info.name));
              }
            }
          },
        ),
        { numRuns: LONG ? 4000 : Math.ceil(RUNS / 2) },
      );
      if (process.env.AUDITSHIP_SCANNER !== "typescript") expect(numbered).toBeGreaterThan(0);
      expect(pairs).toBeGreaterThan(LONG ? 1_000_000 : RUNS);
    },
    TIMEOUT,
  );

  it("are tried on matching and on failing conditions alike", { timeout: TIMEOUT }, () => {
    const seen = new Set<Outcome>();
    fc.assert(
      fc.property(condition, event, (text, line) => {
        seen.add(oracle(parseCondition(text), batchOf(line).at(0)));
      }),
      { numRuns: 1000, seed: 1 },
    );
    expect(seen.size).toBe(3);
  });
});

const not = (operand: Expression): Expression => ({ type: "not", operand });

function oracle(tree: Expression, view: EventView): Outcome {
  return tryCheck((event) => interpret(tree, event), view);
}
