import { z } from "zod";
import type { RuleDocument } from "../../documents.js";

const TEXTS = "expected a text, or a list of texts";
const text = z.union([z.string(), z.number(), z.boolean()], "expected a text").transform(String);
const texts = z.union([text.transform((one) => [one]), z.array(text)], TEXTS).nullish();

/** The log source that a rule is about. */
export const logsourceSchema = z.looseObject({
  logsource: z.looseObject({ category: text.nullish(), product: text.nullish(), service: text.nullish() }),
});

export type LogSource = z.infer<typeof logsourceSchema>["logsource"];

/** A Sigma rule, as far as it is read: `sigma-rules-specification.md` 2.1. Any other key is allowed. */
export const ruleSchema = logsourceSchema.extend({
  title: text.refine((title) => title.trim() !== "", "it is empty"),
  id: text.nullish(),
  status: text.nullish(),
  description: text.nullish(),
  license: text.nullish(),
  author: text.nullish(),
  references: texts,
  detection: z.looseObject({ condition: z.union([z.string(), z.array(z.string()).min(1)], TEXTS) }),
  fields: texts,
  falsepositives: texts,
  level: text.nullish(),
  tags: texts,
});

export type RuleFile = z.infer<typeof ruleSchema>;

/** Kinds of Sigma documents that are not single rules, and why they are not read. */
const OTHERS = {
  correlation: "it is a correlation, which links several events; auditship looks at one event at a time",
  filter: "it is a filter, which changes other rules; put its condition into them",
  action: "collections with an action were taken out of Sigma; write the rules out",
} as const;

/** True for a Sigma document, whether or not it can be read. */
export function isSigma({ value }: RuleDocument): boolean {
  if (!isObject(value)) return false;
  if (Object.hasOwn(value, "detection")) return Object.hasOwn(value, "logsource") || Object.hasOwn(value, "title");
  return otherKind(value) !== undefined && (Object.hasOwn(value, "title") || Object.hasOwn(value, "logsource"));
}

/** The kind of a document that is not a rule. */
export function otherKind(value: unknown): { key: string; reason: string } | undefined {
  const found = Object.entries(OTHERS).find(([key]) => isObject(value) && Object.hasOwn(value, key));
  return found && { key: found[0], reason: found[1] };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
