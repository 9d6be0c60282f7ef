import { Names } from "./names.js";
import { sampleHash } from "./sample-hash.js";

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
const EXTRA = new Names(new Map(HARMLESS_EXTRA.map((name) => [name, 1] as const)));

export const isHarmlessExtraName = (name: string): boolean => EXTRA.get(name) !== 0;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Remembered at most. */
const MAX_KNOWN = 1024;

/** Tells `extra` that holds nothing but what is kept. A service account's comes again, byte for byte, with each of its events. */
export class HarmlessExtras {
  /** By hash: what was seen last. */
  readonly #known = new Map<number, Buffer>();

  /** Whether the object [start, end) is such a one. */
  has(bytes: Uint8Array, start: number, end: number): boolean {
    const hash = sampleHash(bytes, start, end);
    if (this.#known.get(hash)?.compare(bytes, start, end) === 0) return true;
    if (!isHarmlessExtra(bytes, start, end)) return false;
    if (this.#known.size === MAX_KNOWN) this.#known.clear();
    this.#known.set(hash, Buffer.from(bytes.subarray(start, end)));
    return true;
  }
}

/**
 * Whether the object [start, end) has those members only, as Go writes them, each a list of one
 * text without escapes.
 */
function isHarmlessExtra(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start] !== OPEN_BRACE) return false;
  let at = start + 1;
  while (at < end - 1) {
    const key = at + 1;
    for (at = key; at < end && bytes[at] !== QUOTE; at++);
    if (EXTRA.find(bytes, key, at) === 0) return false;
    if (bytes[at + 1] !== COLON || bytes[at + 2] !== OPEN_BRACKET || bytes[at + 3] !== QUOTE) return false;
    at += 4;
    while (at < end && bytes[at] !== QUOTE) if (bytes[at++] === BACKSLASH) return false;
    if (bytes[at + 1] !== CLOSE_BRACKET) return false;
    at += 2;
    if (at < end - 1) {
      if (bytes[at] !== COMMA || bytes[at + 1] !== QUOTE) return false;
      at++;
    }
  }
  return true;
}
