import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { AuditshipError } from "../../src/plugin/index.js";
import { interpret } from "../../src/rules/interpreter.js";
import { Outcome } from "../../src/rules/tree.js";
import { compileAny, parseCondition } from "./conditions.js";
import { viewOf } from "./events.js";

const DATA = resolve(
  process.env.AUDITSHIP_TEST_DATA ?? join(import.meta.dirname, "../../../shared/data"),
  "kubesphere",
);
const FILE = join(DATA, "conformance.json");

interface Conformance {
  events: Record<string, Record<string, object>>;
  cases: {
    group: string;
    event: string;
    form: string;
    condition: string;
    expect: boolean | "reject" | "reject-or-false";
  }[];
}

describe.skipIf(!existsSync(FILE))("conditions answer as KubeSphere's engine does, in the conformance suite", () => {
  const { events, cases }: Conformance = existsSync(FILE)
    ? JSON.parse(readFileSync(FILE, "utf8"))
    : { events: {}, cases: [] };

  it("has cases", () => expect(cases.length).toBeGreaterThan(100));

  for (const [index, { group, event, form, condition, expect: expected }] of cases.entries()) {
    it(`#${index} ${group}: ${condition} on ${event} (${form}) is ${expected}`, () => {
      const view = viewOf(events[event][form]);
      if (expected === "reject") {
        expect(() => parseCondition(condition)).toThrow(AuditshipError);
        return;
      }
      if (expected === "reject-or-false" && !loads(condition)) return;
      const answer = expected === true;
      expect(compileAny(condition)(view)).toBe(answer);
      expect(interpret(parseCondition(condition), view) === Outcome.yes).toBe(answer);
    });
  }
});

function loads(condition: string): boolean {
  try {
    parseCondition(condition);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(AuditshipError);
    return false;
  }
}
