import type { Place } from "../plugin/index.js";
import type { Level } from "./audit-policy.js";
import type { Receiver } from "./receiver.js";

/** Labels that a selector asks for. */
export type Selector = Readonly<Record<string, string>>;

/**
 * The content of a Webhook resource (CRD `webhooks.auditing.kubesphere.io`). A rule setting that it lacks is undefined: the
 * configuration's value then applies.
 */
export interface Webhook {
  readonly place: Place;
  readonly archivingRank?: number;
  readonly alertingRank?: number;
  readonly archivingLabels?: Selector;
  readonly alertingLabels?: Selector;
  /** Further receivers of alerts. */
  readonly receivers: readonly Receiver[];
  /** What is kept of the events that KubeSphere's API server writes. */
  readonly auditLevel?: Level;
  /** True if KubeSphere's API server leaves requests for Kubernetes to kube-apiserver's own audit log. */
  readonly k8sAuditingEnabled?: boolean;
  /** Keys about how KubeSphere runs its own webhook. */
  readonly unused: readonly string[];
}
