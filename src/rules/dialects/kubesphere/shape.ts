import { z } from "zod";
import { AuditshipError } from "../../../plugin/index.js";
import type { Keys, RuleDocument } from "../../documents.js";

/** A resource's labels, or those that a selector asks for. */
export type Labels = Readonly<Record<string, string>>;

/** A text that YAML may have read as a number or boolean. */
export const scalarSchema = z.union([z.string(), z.number(), z.boolean()]).transform(String);

export const labelsSchema = z.record(z.string(), scalarSchema);

/** True if a resource's labels include all those that a selector asks for. */
export function selects(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value);
}

/** `type: alerting, team: a` */
export const textOf = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ");

/** An error that says which part of a resource has the wrong shape, and where. */
export function invalidShape(what: string, error: z.ZodError, document: RuleDocument, keys: Keys): AuditshipError {
  const [issue] = error.issues;
  const path = issue.path.filter((key) => typeof key !== "symbol");
  const message = `${what}: ${path.join(".") || "it"} is not as it should be (${issue.message}).`;
  return new AuditshipError("AUDITSHIP_RULE_INVALID", message, document.place([...keys, ...path]));
}
