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
  /** Where KubeSphere's documentation puts it. */
  auditing: z.looseObject({ k8sAuditingEnabled: z.boolean().nullish() }).nullish(),
});

const webhookSchema = z.looseObject({ spec: specSchema.nullish() });

/** Keys about how KubeSphere runs its own webhook. */
const UNUSED = new Set([
  "affinity",
  "args",
  "auditType",
  "image",
  "imagePullPolicy",
  "imagePullSecrets",
  "nodeSelector",
  "port",
  "priority",
  "replicas",
  "resources",
  "tolerations",
  "useHTTPS",
]);

type Spec = z.infer<typeof specSchema>;

/** Receives what is wrong with a resource, or odd about it. */
interface Reports {
  /** @param keys below `spec` */
  warn(message: string, keys: Keys): void;
  refuse(error: AuditshipError): void;
}

/**
 * Reads a Webhook resource. A receiver with an error is refused; the others are read.
 * @throws AuditshipError for an unknown priority or a wrong shape
 */
export function readWebhook(value: unknown, document: RuleDocument, keys: Keys, reports: Reports): Webhook {
  const parsed = webhookSchema.safeParse(value);
  if (!parsed.success) throw invalidShape("Webhook resource", parsed.error, document, keys);
  return new SpecReader(parsed.data.spec ?? {}, document, keys, reports).read();
}

class SpecReader {
  readonly #spec: Spec;
  readonly #document: RuleDocument;
  /** Keys of the resource within the document. */
  readonly #keys: Keys;
  readonly #reports: Reports;

  constructor(spec: Spec, document: RuleDocument, keys: Keys, reports: Reports) {
    this.#spec = spec;
    this.#document = document;
    this.#keys = keys;
    this.#reports = reports;
  }

  read(): Webhook {
    const spec = this.#spec;
    return {
      place: this.#document.place([...this.#keys, "metadata"]),
      archivingRank: this.#rank("archivingPriority"),
      alertingRank: this.#rank("alertingPriority"),
      archivingLabels: this.#labels("archivingRuleSelector"),
      alertingLabels: this.#labels("alertingRuleSelector"),
      receivers: this.#receivers(),
      auditLevel: (spec.auditLevel || undefined) as Level | undefined,
      k8sAuditingEnabled: this.#k8sAuditing(),
      unused: Object.keys(spec).filter((key) => UNUSED.has(key)),
    };
  }

  #rank(key: "archivingPriority" | "alertingPriority"): number | undefined {
    const name = this.#spec[key];
    if (typeof name !== "string" || name === "") return undefined;
    const known = rankOf(name);
    if (known !== undefined) return known;
    const suggestion = nearestPriority(name);
    const message = `Webhook resource: ${key} is ${name}, which is no priority${suggestion ? `; did you mean ${suggestion}?` : "."}`;
    throw new AuditshipError("AUDITSHIP_RULE_INVALID", message, this.#document.place([...this.#keys, "spec", key]));
  }

  /** A selector without labels counts as missing, as in KubeSphere. */
  #labels(key: "archivingRuleSelector" | "alertingRuleSelector"): Labels | undefined {
    const { matchLabels, matchExpressions } = this.#spec.auditSinkPolicy?.[key] ?? {};
    if (matchExpressions?.length) {
      const message = "Only matchLabels of a selector counts, as in KubeSphere; matchExpressions is left out.";
      this.#reports.warn(message, ["auditSinkPolicy", key, "matchExpressions"]);
    }
    return Object.keys(matchLabels ?? {}).length > 0 ? (matchLabels ?? undefined) : undefined;
  }

  /** Refuses only the receivers that have errors. */
  #receivers(): Receiver[] {
    const found: Receiver[] = [];
    for (const [index, value] of (this.#spec.receivers ?? []).entries()) {
      const at = ["receivers", index];
      try {
        const unknown = (message: string) => this.#reports.warn(message, [...at, "type"]);
        const receiver = readReceiver(value, this.#document, [...this.#keys, "spec", ...at], unknown);
        if (receiver && found.some(({ name }) => name === receiver.name)) throw namesake(receiver);
        if (receiver) found.push(receiver);
      } catch (error) {
        if (!(error instanceof AuditshipError)) throw error;
        this.#reports.refuse(error);
      }
    }
    return found;
  }

  #k8sAuditing(): boolean | undefined {
    const { auditing, k8sAuditingEnabled } = this.#spec;
    const misplaced = auditing?.k8sAuditingEnabled ?? undefined;
    if (misplaced === undefined) return k8sAuditingEnabled ?? undefined;
    const message =
      "k8sAuditingEnabled is taken from spec.auditing, where KubeSphere does not look; write it into spec.";
    this.#reports.warn(message, ["auditing"]);
    return k8sAuditingEnabled ?? misplaced;
  }
}

/** A second receiver of the same name could not be a sink, so its alerts would go nowhere: that is an error. */
function namesake({ name, place }: Receiver): AuditshipError {
  const message = `Two receivers of the Webhook resource are called ${name}, and only the first counts; give this one another name.`;
  return new AuditshipError("AUDITSHIP_RULE_INVALID", message, place);
}
