/** What stays where everything else is hashed. docs/redaction.md has these lists. */

/** Annotations of Secrets that say where they come from. */
export const HARMLESS_ANNOTATIONS: readonly string[] = [
  "kubernetes.io/service-account.name",
  "kubernetes.io/service-account.uid",
  "meta.helm.sh/release-name",
  "meta.helm.sh/release-namespace",
  "cert-manager.io/alt-names",
  "cert-manager.io/certificate-name",
  "cert-manager.io/common-name",
  "cert-manager.io/issuer-group",
  "cert-manager.io/issuer-kind",
  "cert-manager.io/issuer-name",
];
const ANNOTATIONS = new Set(HARMLESS_ANNOTATIONS);

export const isHarmlessAnnotation = (name: string): boolean => ANNOTATIONS.has(name);

/** Keys in a user's `extra` about the credential, and about the pod and node that it was made for. */
export const HARMLESS_EXTRA: readonly string[] = [
  "authentication.kubernetes.io/credential-id",
  "authentication.kubernetes.io/node-name",
  "authentication.kubernetes.io/node-uid",
  "authentication.kubernetes.io/pod-name",
  "authentication.kubernetes.io/pod-uid",
];
const EXTRA = new Set(HARMLESS_EXTRA);

export const isHarmlessExtraName = (name: string): boolean => EXTRA.has(name);

/** Query parameters of the API server whose values are not secret. */
export const HARMLESS_PARAMETERS: readonly string[] = [
  "allowWatchBookmarks",
  "container",
  "continue",
  "dryRun",
  "fieldManager",
  "fieldSelector",
  "fieldValidation",
  "follow",
  "force",
  "gracePeriodSeconds",
  "includeObject",
  "labelSelector",
  "limit",
  "limitBytes",
  "orphanDependents",
  "pretty",
  "previous",
  "propagationPolicy",
  "resourceVersion",
  "resourceVersionMatch",
  "sendInitialEvents",
  "sinceSeconds",
  "stderr",
  "stdin",
  "stdout",
  "tailLines",
  "timeout",
  "timeoutSeconds",
  "timestamps",
  "tty",
  "watch",
];

/** Percent-encoded bytes that occur in no pattern of a secret: `, = : / ! ( )`. */
export const HARMLESS_CODES: readonly string[] = ["2C", "3D", "3A", "2F", "21", "28", "29"];
