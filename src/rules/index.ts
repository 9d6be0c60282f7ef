/** Rules: expression trees, compilation, evaluation, and the readers of the dialects. */
export { AuditPolicy } from "./audit-policy.js";
export { ABSENT } from "./bodies.js";
export { type ConditionOptions, compileCondition } from "./condition.js";
export { auditIDOf, describeMatch } from "./describe.js";
export { type FieldLister, listFields } from "./dialects/falco/field-list.js";
export { parseDocuments, type RuleDocument, readRuleFile } from "./documents.js";
export { createEvaluator, type Evaluation, type EvaluatorOptions } from "./evaluator.js";
export { type Explanation, explain } from "./explain.js";
export {
  type LiveResource,
  type LoadedRules,
  type LoadOptions,
  loadRules,
  type Needs,
  type RuleWarning,
} from "./load.js";
export { nearestPriority, rankOf } from "./priority.js";
export type { Receiver } from "./receiver.js";
export type { Rule, RuleInfo } from "./rule.js";
export { looksAt } from "./set.js";
export type { Webhook } from "./webhook.js";
