import { z } from "zod";
import { AuditshipError } from "../../../plugin/index.js";
import type { Keys, RuleDocument } from "../../documents.js";
import { nearestPriority, rankOf } from "../../priority.js";
import { invalidShape, type Labels, labelsSchema } from "./shape.js";

/**
 * What a Webhook resource (CRD `webhooks.auditing.kubesphere.io`, reference/kubesphere.md §3.1) says of rules. What it lacks is
 * undefined: the configuration's then holds.
 */
export interface Webhook {
  readonly archivingRank?: number;
  readonly alertingRank?: number;
  readonly archivingLabels?: Labels;
  readonly alertingLabels?: Labels;
}

const selectorSchema = z.looseObject({
  matchLabels: labelsSchema.nullish(),
  matchExpressions: z.array(z.unknown()).nullish(),
});

const webhookSchema = z.looseObject({
  spec: z
    .looseObject({
      archivingPriority: z.string().nullish(),
      alertingPriority: z.string().nullish(),
      auditSinkPolicy: z
        .looseObject({
          archivingRuleSelector: selectorSchema.nullish(),
          alertingRuleSelector: selectorSchema.nullish(),
        })
        .nullish(),
      receivers: z.array(z.unknown()).nullish(),
    })
    .nullish(),
});

/** Reads a Webhook resource. Throws AuditshipError for a priority that is none, or what has another shape. */
export function readWebhook(
  value: unknown,
  document: RuleDocument,
  keys: Keys,
  warn: (message: string, keys: Keys) => void,
): Webhook {
  const parsed = webhookSchema.safeParse(value);
  if (!parsed.success) throw invalidShape("Webhook resource", parsed.error, document, keys);
  const spec = parsed.data.spec ?? {};
  const { archivingRuleSelector, alertingRuleSelector } = spec.auditSinkPolicy ?? {};
  if (spec.receivers?.length)
    warn("The receivers of a Webhook resource are not used; name them under sinks.", ["receivers"]);
  return {
    archivingRank: rank("archivingPriority"),
    alertingRank: rank("alertingPriority"),
    archivingLabels: labels(archivingRuleSelector, "archivingRuleSelector"),
    alertingLabels: labels(alertingRuleSelector, "alertingRuleSelector"),
  };

  function rank(key: "archivingPriority" | "alertingPriority"): number | undefined {
    const name = spec[key];
    if (typeof name !== "string" || name === "") return undefined;
    const known = rankOf(name);
    if (known !== undefined) return known;
    const suggestion = nearestPriority(name);
    const message = `Webhook resource: ${key} is ${name}, which is no priority${suggestion ? `; did you mean ${suggestion}?` : "."}`;
    throw new AuditshipError("AUDITSHIP_RULE_INVALID", message, document.place([...keys, "spec", key]));
  }

  /** A selector without labels counts as none, as upstream has it. */
  function labels(selector: z.infer<typeof selectorSchema> | null | undefined, key: string): Labels | undefined {
    if (selector?.matchExpressions?.length)
      warn("Only matchLabels of a selector counts, as in KubeSphere; matchExpressions is left out.", [
        "auditSinkPolicy",
        key,
        "matchExpressions",
      ]);
    return Object.keys(selector?.matchLabels ?? {}).length > 0 ? (selector?.matchLabels ?? undefined) : undefined;
  }
}
