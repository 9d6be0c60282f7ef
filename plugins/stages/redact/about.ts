import type { SecretKind } from "./text.js";

/** Bits: what an object is about, by its resource or by the kind it names itself. Holds for all below it. */
export enum About {
  nothing = 0,
  secret = 1,
  configMap = 2,
  token = 4,
  certificate = 8,
  /** Has a user with `extra` in it. */
  review = 16,
  /** A failure, with messages. */
  status = 32,
  /** Has members whose names say that they are credentials: a kubeconfig. */
  credentials = 64,
  /** A list of them. */
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

/** First bytes of those kinds, and of one that is escaped. */
export const KIND_STARTS = new Set([...KINDS.keys(), "\\"].map((kind) => kind.charCodeAt(0)));

/** What is a map of secrets. */
export const MAPS = About.secret | About.configMap;
/** Whether what a failure says of it may quote a secret anywhere. */
export function isSensitive(about: number): boolean {
  return (about & MAPS) !== 0 || isReviewedToken(about);
}

/** Whether it is a TokenReview. */
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
