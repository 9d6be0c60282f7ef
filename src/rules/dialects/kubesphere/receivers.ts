import { z } from "zod";
import { caBundle, endpoint } from "../../../plugin/index.js";
import { NAME } from "../../../plugin/name.js";
import type { Keys, RuleDocument } from "../../documents.js";
import type { Receiver } from "../../receiver.js";
import { invalidShape } from "./shape.js";

const serviceSchema = z.looseObject({
  name: z.string().min(1),
  namespace: z.string().min(1),
  port: z.int().min(1).max(65_535).nullish(),
  path: z.string().nullish(),
});

const receiverSchema = z.looseObject({
  name: z.string().regex(NAME).nullish(),
  type: z.string(),
  config: z
    .looseObject({
      url: endpoint(z).nullish(),
      service: serviceSchema.nullish(),
      caBundle: caBundle(z).nullish(),
    })
    .refine(({ url, service }) => !url !== !service, "expected one of url and service"),
});

/** Alertmanager's port, which KubeSphere uses where a service names none. */
const ALERTMANAGER_PORT = 9093;

/**
 * Reads one of `spec.receivers` (CRD `webhooks.auditing.kubesphere.io`). A service is addressed by its name in the cluster, with
 * TLS if there is a `caBundle`. Returns undefined, with a warning, for an unknown type. Throws AuditshipError for any other error.
 */
export function readReceiver(
  value: unknown,
  document: RuleDocument,
  keys: Keys,
  warn: (message: string) => void,
): Receiver | undefined {
  const parsed = receiverSchema.safeParse(value);
  if (!parsed.success) throw invalidShape("Receiver of a Webhook resource", parsed.error, document, keys);
  const { type, name, config } = parsed.data;
  if (type !== "alertmanager" && type !== "webhook") {
    warn(`Receivers of type ${type} are not known, only alertmanager and webhook; this one is left out.`);
    return undefined;
  }
  return {
    name: name ?? type,
    type,
    url: config.url ?? urlOf(type, config.service!, !!config.caBundle),
    caBundle: config.caBundle ?? undefined,
    place: document.place(keys),
  };
}

function urlOf(type: Receiver["type"], service: z.infer<typeof serviceSchema>, secure: boolean): string {
  const { name, namespace, path, port = type === "alertmanager" ? ALERTMANAGER_PORT : undefined } = service;
  const host = `${name}.${namespace}.svc`;
  return `${secure ? "https" : "http"}://${host}${port ? `:${port}` : ""}${path?.replace(/^(?!\/)/, "/") ?? ""}`;
}
