import type { RuleDocument } from "./documents.js";

/** What a document is that no reader of this version takes; undefined if it holds no rules of any kind we know. */
export function foreignDialect({ value }: RuleDocument): string | undefined {
  if (hasAny(value, ["logsource"]) && hasAny(value, ["detection"])) return "a Sigma rule";
  return undefined;
}

function hasAny(value: unknown, keys: readonly string[]): boolean {
  return typeof value === "object" && value !== null && keys.some((key) => Object.hasOwn(value, key));
}
