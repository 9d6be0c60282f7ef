import { z } from "zod";
import { AuditshipError } from "../../../plugin/index.js";
import type { Keys, RuleDocument } from "../../documents.js";

/** A resource's labels, or those that a selector asks for. */
export type Labels = Readonly<Record<string, string>>;

/** What YAML reads as a number or a boolean where a text is meant. */
export const scalarSchema = z.union([z.string(), z.number(), z.boolean()]).transform(String);

export const labelsSchema = z.record(z.string(), scalarSchema);

/** True if a resource's labels hold all that a selector asks for. */
export function selects(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value);
}

/** `type: alerting, team: a` */
export const textOf = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ");

/** Says which part of a resource is not as it should be, and where that stands. */
export function invalidShape(what: string, error: z.ZodError, document: RuleDocument, keys: Keys): AuditshipError {
  const [issue] = error.issues;
  const path = issue.path.filter((key) => typeof key !== "symbol");
  const message = `${what}: ${path.join(".") || "it"} is not as it should be (${issue.message}).`;
  return new AuditshipError("AUDITSHIP_RULE_INVALID", message, document.place([...keys, ...path]));
}
