import { z } from "zod";
import { nearest } from "../../../plugin/nearest.js";
import { labelsSchema, scalarSchema } from "./shape.js";

const GROUP = "auditing.kubesphere.io/";
const TYPES = ["rule", "macro", "list", "alias"] as const;

/** A Rule resource, as far as it is read (CRD `rules.auditing.kubesphere.io/v1alpha1`). */
export const resourceSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string().min(1),
    labels: labelsSchema.nullish(),
    annotations: z.looseObject({ runbook_url: z.string().optional() }).nullish(),
  }),
  spec: z.looseObject({ rules: z.array(z.unknown()).nullish() }).nullish(),
});

/** One item of `spec.rules`. */
export const itemSchema = z.looseObject({
  name: scalarSchema,
  type: z.enum(TYPES, { error: ({ input }) => noType(input) }),
  desc: z.string().nullish(),
  condition: z.string().nullish(),
  macro: z.string().nullish(),
  alias: z.string().nullish(),
  list: z.array(scalarSchema).nullish(),
  enable: z.boolean().nullish(),
  output: z.string().nullish(),
  priority: z.string().nullish(),
});

function noType(input: unknown): string {
  const suggestion = typeof input === "string" ? nearest(input, TYPES) : undefined;
  return `it is none of ${TYPES.join(", ")}${suggestion ? `; did you mean ${suggestion}?` : ""}`;
}

export type Item = z.infer<typeof itemSchema>;

/** A JSON object of any shape. */
export type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isOfGroup = (value: Json): boolean => typeof value.apiVersion === "string" && value.apiVersion.startsWith(GROUP);

/** True for a Rule or Webhook resource. */
export const isResource = (value: unknown): value is Json =>
  isObject(value) && isOfGroup(value) && (value.kind === "Rule" || value.kind === "Webhook");

/** True for a list of resources of any kind. */
export const isList = (value: unknown): value is Json & { items: unknown[] } =>
  isObject(value) && typeof value.kind === "string" && value.kind.endsWith("List") && Array.isArray(value.items);

/** True for a list whose kind names the kind of its items. */
export const isTypedList = (value: Json): value is Json & { kind: "RuleList" | "WebhookList" } =>
  (value.kind === "RuleList" || value.kind === "WebhookList") && isOfGroup(value);

/** True for an item of `spec.rules` that is itself a rule, not a macro, list or alias. */
export const isRule = (item: unknown): boolean => isObject(item) && item.type === "rule";
