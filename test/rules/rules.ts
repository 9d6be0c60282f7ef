import type { RuleMatch } from "../../src/plugin/index.js";
import type { Rule } from "../../src/rules/rule.js";
import { parseCondition } from "./conditions.js";

/** A rule that archives what its condition matches. */
export function ruleOf(name: string, condition: string, stages?: string[]): Rule {
  const match: RuleMatch = {
    rule: name,
    dialect: "kubesphere",
    priority: "INFO",
    rank: 1,
    actions: ["archived"],
    tags: [],
    facts: {},
    message: () => name,
  };
  const info = { ...match, dialect: "kubesphere" as const, name, enabled: true, place: {} };
  return { info, condition: parseCondition(condition), match, output: "", paths: [], stages };
}
