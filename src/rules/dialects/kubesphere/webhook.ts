import { z } from "zod";
import { AuditshipError } from "../../../plugin/index.js";
import { LEVELS, type Level } from "../../audit-policy.js";
import type { Keys, RuleDocument } from "../../documents.js";
import { nearestPriority, rankOf } from "../../priority.js";
import type { Receiver } from "../../receiver.js";
import type { Webhook } from "../../webhook.js";
import { readReceiver } from "./receivers.js";
import { invalidShape, type Labels, labelsSchema } from "./shape.js";

const selectorSchema = z.looseObject({
  matchLabels: labelsSchema.nullish(),
  matchExpressions: z.array(z.unknown()).nullish(),
});

const specSchema = z.looseObject({
  archivingPriority: z.string().nullish(),
  alertingPriority: z.string().nullish(),
  auditSinkPolicy: z
    .looseObject({
      archivingRuleSelector: selectorSchema.nullish(),
      alertingRuleSelector: selectorSchema.nullish(),
    })
    .nullish(),
  receivers: z.array(z.unknown()).nullish(),
  auditLevel: z.union([z.enum(LEVELS), z.literal("")]).nullish(),
  k8sAuditingEnabled: z.boolean().nullish(),
  /** Where KubeSphere's documentation has it. */
  auditing: z.looseObject({ k8sAuditingEnabled: z.boolean().nullish() }).nullish(),
});

const webhookSchema = z.looseObject({ spec: specSchema.nullish() });

/** How KubeSphere runs its own webhook. */
const UNUSED = new Set([
  ...[
    "affinity",
    "args",
    "auditType",
    "image",
    "imagePullPolicy",
    "imagePullSecrets",
    "nodeSelector",
    "port",
    "priority",
  ],
  ...["replicas", "resources", "tolerations", "useHTTPS"],
]);

/** Reads a Webhook resource; receivers that are wrong are refused. Throws AuditshipError for a priority that is none, or what has another shape. */
export function readWebhook(
  value: unknown,
  document: RuleDocument,
  keys: Keys,
  { warn, refuse }: { warn(message: string, keys: Keys): void; refuse(error: AuditshipError): void },
): Webhook {
  const parsed = webhookSchema.safeParse(value);
  if (!parsed.success) throw invalidShape("Webhook resource", parsed.error, document, keys);
  const spec = parsed.data.spec ?? {};
  const { archivingRuleSelector, alertingRuleSelector } = spec.auditSinkPolicy ?? {};
  return {
    place: document.place([...keys, "metadata"]),
    archivingRank: rank("archivingPriority"),
    alertingRank: rank("alertingPriority"),
    archivingLabels: labels(archivingRuleSelector, "archivingRuleSelector"),
    alertingLabels: labels(alertingRuleSelector, "alertingRuleSelector"),
    receivers: receivers(),
    auditLevel: (spec.auditLevel || undefined) as Level | undefined,
    k8sAuditingEnabled: k8sAuditing(),
    unused: Object.keys(spec).filter((key) => UNUSED.has(key)),
  };

  function k8sAuditing(): boolean | undefined {
    const misplaced = spec.auditing?.k8sAuditingEnabled ?? undefined;
    if (misplaced === undefined) return spec.k8sAuditingEnabled ?? undefined;
    warn("k8sAuditingEnabled is taken from spec.auditing, where KubeSphere does not look; write it into spec.", [
      "auditing",
    ]);
    return spec.k8sAuditingEnabled ?? misplaced;
  }

  /** Those that are wrong are refused alone. */
  function receivers(): Receiver[] {
    const found: Receiver[] = [];
    for (const [index, value] of (spec.receivers ?? []).entries()) {
      const at = ["receivers", index];
      try {
        const unknown = (message: string) => warn(message, [...at, "type"]);
        const receiver = readReceiver(value, document, [...keys, "spec", ...at], unknown);
        if (receiver && found.some(({ name }) => name === receiver.name)) throw namesake(receiver);
        if (receiver) found.push(receiver);
      } catch (error) {
        if (!(error instanceof AuditshipError)) throw error;
        refuse(error);
      }
    }
    return found;
  }

  /** It would be no sink, and nobody would be told what it is to tell. */
  function namesake({ name, place }: Receiver): AuditshipError {
    const message = `Two receivers of the Webhook resource are called ${name}, and only the first counts; give this one another name.`;
    return new AuditshipError("AUDITSHIP_RULE_INVALID", message, place);
  }

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
