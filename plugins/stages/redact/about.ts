import type { SecretKind } from "./text.js";

/**
 * Bits that say what an object is about, by its resource or by the kind that it names. They also apply to everything below the
 * object.
 */
export enum About {
  nothing = 0,
  secret = 1,
  configMap = 2,
  token = 4,
  certificate = 8,
  /** Contains a user with `extra`. */
  review = 16,
  /** Describes a failure, with messages. */
  status = 32,
  /** Has members that hold credentials, as their names say, like a kubeconfig. */
  credentials = 64,
  /** A list of such objects. */
  list = 128,
}

export const KINDS = new Map<string, About>([
  ["Secret", About.secret],
  ["SecretList", About.secret | About.list],
  ["ConfigMap", About.configMap],
  ["ConfigMapList", About.configMap | About.list],
  ["TokenRequest", About.token],
  ["TokenReview", About.token | About.review],
  ["CertificateSigningRequest", About.certificate | About.review],
  ["CertificateSigningRequestList", About.certificate | About.review],
  ["SelfSubjectReview", About.review],
  ["SelfSubjectAccessReview", About.review],
  ["SubjectAccessReview", About.review],
  ["LocalSubjectAccessReview", About.review],
  ["Status", About.status],
  ["Config", About.credentials],
]);

/** First bytes of these kinds, and of a kind that is escaped. */
export const KIND_STARTS = new Set([...KINDS.keys(), "\\"].map((kind) => kind.charCodeAt(0)));

/** Objects that are maps of secrets. */
export const MAPS = About.secret | About.configMap;
/** Whether a failure about such an object may quote a secret anywhere in its message. */
export function isSensitive(about: number): boolean {
  return (about & MAPS) !== 0 || isReviewedToken(about);
}

/** Whether the object is a TokenReview. */
export function isReviewedToken(about: number): boolean {
  return (about & REVIEWED_TOKEN) === REVIEWED_TOKEN;
}
const REVIEWED_TOKEN = About.token | About.review;

export function secretKind(about: number): SecretKind {
  if (about & About.secret) return "secret";
  if (about & About.token) return "token";
  if (about & About.certificate) return "certificate";
  if (about & About.credentials) return "credential";
  return about & About.configMap ? "configmap" : "env";
}
