/** What each profile redacts, in one sentence. */
export const PROFILES = {
  default: "Secrets, by where they stand and by their shape.",
  strict: "The same, and all bodies reduced to names and kinds.",
  off: "Nothing but what own rules and `pseudonymize` say.",
} as const;

export type Profile = keyof typeof PROFILES;
export const PROFILE_NAMES = Object.keys(PROFILES) as [Profile, ...Profile[]];

/** What a profile does with something: hash it, cut it out with the rest of the body, or leave it. */
export type Outcome = "hashed" | "cut" | "kept";

/**
 * Something that may be in an event, and what each profile does with it. The tables in docs/redaction.md are generated from these
 * rows, and each row is tested.
 */
export interface PolicyRow {
  readonly what: string;
  readonly where: string;
  readonly outcomes: Readonly<Record<Profile, Outcome>>;
}

/** Inside a body. */
const hashed: PolicyRow["outcomes"] = { default: "hashed", strict: "cut", off: "kept" };
const kept: PolicyRow["outcomes"] = { default: "kept", strict: "cut", off: "kept" };
/** Outside of the bodies. */
const hashedBeside: PolicyRow["outcomes"] = { default: "hashed", strict: "hashed", off: "kept" };
const keptAlways: PolicyRow["outcomes"] = { default: "kept", strict: "kept", off: "kept" };
const hashedIfStrict: PolicyRow["outcomes"] = { default: "kept", strict: "hashed", off: "kept" };

export const POLICY: readonly PolicyRow[] = [
  {
    what: "`data`, `stringData` of a Secret",
    where: "objects, lists, tables, watch events, patches",
    outcomes: hashed,
  },
  { what: "any other member of a Secret (a misspelt `Data`)", where: "the same", outcomes: hashed },
  { what: "annotations of a Secret, but for those below", where: "the same", outcomes: hashed },
  { what: "annotations that say where a Secret comes from", where: "the same", outcomes: kept },
  { what: "cells of a Secret's row, but for name and type", where: "`Table`", outcomes: hashed },
  { what: "secrets in an applied object", where: "`last-applied-configuration`", outcomes: hashed },
  { what: "secrets in JSON in a string", where: "bodies", outcomes: hashed },
  { what: "`token` of a TokenRequest or TokenReview", where: "bodies", outcomes: hashed },
  { what: "a certificate request, a certificate", where: "CertificateSigningRequest", outcomes: kept },
  { what: "what is no certificate request in its place", where: "CertificateSigningRequest", outcomes: hashed },
  { what: "values of environment variables", where: "any `env`", outcomes: hashed },
  { what: "names of environment variables", where: "any `env`", outcomes: kept },
  { what: "program and flag names", where: "`command`, `args`", outcomes: kept },
  { what: "what credential flags are given; shell text", where: "`command`, `args`", outcomes: hashed },
  { what: "queries of webhooks' URLs", where: "any `clientConfig`", outcomes: hashed },
  { what: "`caBundle` of a webhook", where: "any `clientConfig`", outcomes: kept },
  { what: "tokens, private keys, kubeconfigs, URLs' credentials", where: "strings of bodies", outcomes: hashed },
  { what: "gzip in base64 (Helm, copies of applied objects)", where: "strings of bodies", outcomes: hashed },
  { what: "`managedFields`", where: "bodies", outcomes: kept },
  { what: "labels, specs and all else", where: "bodies", outcomes: kept },
  { what: "kind, name, namespace, uid", where: "bodies", outcomes: keptAlways },
  { what: "credentials in a query, exec's command", where: "`requestURI`", outcomes: hashedBeside },
  { what: "values of queries behind the proxy", where: "`requestURI`", outcomes: hashedBeside },
  { what: "exec's program and flags", where: "`requestURI`", outcomes: hashedIfStrict },
  { what: "the API server's own parameters", where: "`requestURI`", outcomes: keptAlways },
  { what: "values that a failure quotes", where: "`responseStatus.message`", outcomes: hashedBeside },
  { what: "who, what and where in a failure", where: "`responseStatus.message`", outcomes: hashedIfStrict },
  { what: "any failure of Secrets and TokenReviews", where: "`responseStatus.message`", outcomes: hashedBeside },
  { what: "`extra` of a user, but for the credential, pod and node", where: "`user`", outcomes: hashedBeside },
  { what: "ids of the credential, the pod and the node", where: "`user`", outcomes: keptAlways },
  { what: "secrets in an admission webhook's patch", where: "annotations of the event", outcomes: hashedBeside },
  { what: "tokens, private keys, URLs' credentials", where: "all else", outcomes: hashedBeside },
  { what: "who, what, when, where", where: "all else", outcomes: keptAlways },
];
