import type { KubernetesObject } from "../plugin/index.js";
import type { LiveResource } from "../rules/index.js";

const GROUP = "auditing.kubesphere.io";
export const API_VERSION = `${GROUP}/v1alpha1`;

/** Most rules, macros, lists and aliases of one resource. */
const MAX_ITEMS = 1000;
/** Most bytes of what is read of one. */
const MAX_BYTES = 512 * 1024;

/** What a resource says of how far it was taken. */
export interface Status {
  readonly observedGeneration?: number;
  readonly conditions: readonly Condition[];
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** A Rule or Webhook resource as it was seen last, without what nobody here reads. */
export interface SeenResource extends LiveResource {
  readonly kind: "Rule" | "Webhook";
  readonly metadata: KubernetesObject["metadata"] & { readonly generation?: number };
  readonly status: Status | undefined;
  /** The same for two that mean the same. */
  readonly version: string;
}

/** The collection that holds a kind, in a namespace or everywhere. */
export function collectionOf(kind: SeenResource["kind"], namespace?: string): string {
  const within = namespace === undefined ? "" : `/namespaces/${namespace}`;
  return `/apis/${API_VERSION}${within}/${kind.toLowerCase()}s`;
}

/** What a resource is called in errors. @param key its name, behind its namespace if it has one */
export const nameOf = (kind: SeenResource["kind"], key: string): string => `${kind.toLowerCase()}s.${GROUP}/${key}`;

/** Takes what is read of an object. Our own patches of its status do not change its version. */
export function seenResource(kind: SeenResource["kind"], object: KubernetesObject): SeenResource {
  const { metadata, spec, status } = object as KubernetesObject & {
    spec?: { rules?: unknown };
    status?: Partial<Status>;
  };
  const { name, namespace, labels, annotations, uid } = metadata;
  const runbook = annotations?.runbook_url;
  const kept = { name, namespace, labels, annotations: runbook === undefined ? undefined : { runbook_url: runbook } };
  const value = { apiVersion: API_VERSION, kind, metadata: kept, spec };
  const version = JSON.stringify(value);
  const problem = problemOf(version, spec?.rules);
  return {
    name: nameOf(kind, namespace === undefined ? name : `${namespace}/${name}`),
    namespace,
    kind,
    metadata: { name, namespace, uid, generation: (metadata as SeenResource["metadata"]).generation },
    status: statusOf(status),
    value: problem === undefined ? value : undefined,
    problem,
    version: problem ?? version,
  };
}

/** What stands there in the form that it should have; anybody may have written another. */
function statusOf(status: Partial<Status> | undefined): Status | undefined {
  if (!Array.isArray(status?.conditions)) return undefined;
  const { observedGeneration, conditions } = status;
  return { observedGeneration, conditions: conditions.filter((condition) => condition?.type !== undefined) };
}

function problemOf(text: string, items: unknown): string | undefined {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BYTES) return `It has ${bytes} bytes, more than ${MAX_BYTES}; divide it.`;
  if (!Array.isArray(items) || items.length <= MAX_ITEMS) return undefined;
  return `It has ${items.length} rules, macros, lists and aliases, more than ${MAX_ITEMS}; divide it.`;
}
