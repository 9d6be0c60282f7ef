import { Names } from "./names.js";

/** What stays where all else is hashed. The lists stand in docs/redaction.md. */

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

/** What `extra` of a user tells of the credential, and of the pod and node that it was made for. */
export const HARMLESS_EXTRA: readonly string[] = [
  "authentication.kubernetes.io/credential-id",
  "authentication.kubernetes.io/node-name",
  "authentication.kubernetes.io/node-uid",
  "authentication.kubernetes.io/pod-name",
  "authentication.kubernetes.io/pod-uid",
];
export const EXTRA_NAMES = new Names(new Map(HARMLESS_EXTRA.map((name) => [name, 1] as const)));

export const isHarmlessExtra = (name: string): boolean => EXTRA_NAMES.get(name) !== 0;
