import { scrubIssuedTokens, TOKEN_MARKS } from "./tokens.js";

/**
 * Recognises secrets by their shape, anywhere in a text: JSON web tokens, tokens with their issuer's mark, private keys in PEM,
 * credentials in URLs, bootstrap tokens, kubeconfigs and manifests of Secrets, and base64 copies of these. Every function takes
 * linear time, whatever the text.
 */

/** Returns the replacement for a secret that was found; `kind` goes into the metric. */
export type Replace = (secret: string | Uint8Array, kind: SecretKind) => string;
export type SecretKind =
  | "secret"
  | "configmap"
  | "token"
  | "certificate"
  | "applied"
  | "env"
  | "argument"
  | "query"
  | "jwt"
  | "pem"
  | "url"
  | "base64"
  | "bootstrap"
  | "kubeconfig"
  | "credential"
  | "annotation"
  | "message"
  | "extra"
  | "body"
  | "rule"
  | "user"
  | "ip";

/** The text without the secrets in it; the same string if there are none. */
export function scrub(text: string, replace: Replace): string {
  if (!TRACE.test(text)) return text;
  return scrubBase64(scrubShapes(text, replace), replace);
}

/** The same without looking for base64 copies, which occur only in objects. */
export function scrubShapes(text: string, replace: Replace): string {
  if (isManifest(text)) return replace(text, "kubeconfig");
  let clean = scrubIssuedTokens(scrubKeys(text, replace), replace);
  if (clean.includes("eyJ")) clean = scrubTokens(clean, replace);
  if (clean.includes("@") && clean.includes("://")) clean = scrubUrls(clean, replace);
  return clean;
}

/** The same as {@link scrub}, and bootstrap tokens. Those have no mark to search for, so they are looked for in short texts only. */
export function scrubShort(text: string, replace: Replace): string {
  return scrub(text, replace).replace(BOOTSTRAP_TOKEN, (token) => replace(token, "bootstrap"));
}

/** `id.secret` as kubeadm makes them, but not as part of a longer name. */
const BOOTSTRAP_TOKEN = /(?<![\w.-])[a-z0-9]{6}\.[a-z0-9]{16}(?![\w-])/g;

const KUBECONFIG_MARKS = ["current-context", "client-key-data"];
/** Every text that {@link MANIFEST} matches contains one of these, or `"Secret`. */
export const MANIFEST_MARKS = [...KUBECONFIG_MARKS, ": Secret", "  Secret", "'Secret"];
/** Matches a kubeconfig, or a Secret's manifest in YAML or in JSON after something else. These are hashed whole. */
const MANIFEST = new RegExp(
  `${KUBECONFIG_MARKS.join("|")}|kind\\\\*["']?\\s*:(?:\\s*\\\\*["']| +)Secret(?:List)?(?!\\w)`,
);

/** Whether a text is such a file. Plain JSON never gets here: it is parsed before. */
const isManifest = (text: string): boolean => MANIFEST.test(text);

const BEGIN = "-----BEGIN ";
const END = "-----END ";
const DASHES = "-----";

/** Replaces private keys in PEM. A key without an end extends to the end of the text. */
function scrubKeys(text: string, replace: Replace): string {
  if (!text.includes("PRIVATE KEY")) return text;
  const out = new Splice(text);
  for (let at = text.indexOf(BEGIN); at >= 0; at = text.indexOf(BEGIN, at)) {
    const label = at + BEGIN.length;
    const body = text.indexOf(DASHES, label);
    if (!(body < 0 ? text.slice(label) : text.slice(label, body)).includes("PRIVATE KEY")) {
      if (body < 0) break;
      at = body;
      continue;
    }
    const last = body < 0 ? -1 : text.indexOf(END, body + DASHES.length);
    const close = last < 0 ? -1 : text.indexOf(DASHES, last + END.length);
    const end = close < 0 ? text.length : close + DASHES.length;
    out.replace(at, end, replace(text.slice(at, end), "pem"));
    at = end;
  }
  return out.text();
}

/**
 * Replaces JSON web tokens: a header that begins with `eyJ` (`{"`), followed by at least one part that does too, or by two parts of
 * any kind (encrypted tokens). Also replaces base64 of an API object, which begins the same way.
 */
function scrubTokens(text: string, replace: Replace): string {
  const out = new Splice(text);
  for (let at = text.indexOf("eyJ"); at >= 0; at = text.indexOf("eyJ", at)) {
    const header = runEnd(text, at, IN_TOKEN);
    let end = header;
    let parts = 0;
    while (text[end] === ".") {
      end = runEnd(text, end + 1, IN_TOKEN);
      parts++;
    }
    if (parts >= 2 || (parts === 1 && text.startsWith("eyJ", header + 1))) {
      out.replace(at, end, replace(text.slice(at, end), "jwt"));
    } else if (parts === 0) {
      end = runEnd(text, at, IN_BASE64);
      const run = text.slice(at, end);
      if (OBJECT.test(Buffer.from(run, "base64").toString("latin1"))) out.replace(at, end, replace(run, "base64"));
    }
    at = end;
  }
  return out.text();
}

/** Members whose values are secret or may be, and `kind`. */
const OBJECT = /"(?:kind|data|stringData|env|token|password|auths)"/;

/**
 * Replaces the password in `scheme://user:password@host`, up to the last `@` before white space. A user without a password is taken
 * for a token. If the user's name contains an `@` (`smtp://jane@example.com:password@host`), it is replaced together with the
 * password. In a run of URLs without white space between them, each is examined.
 */
function scrubUrls(text: string, replace: Replace): string {
  const out = new Splice(text);
  let end = 0;
  let last = 0;
  for (let at = text.indexOf("://"); at >= 0; at = text.indexOf("://", at)) {
    const start = at + 3;
    if (start > end) {
      end = runEnd(text, start, IN_URL);
      last = lastAtSign(text, start, end);
    }
    at = runEnd(text, start, IN_USER);
    if (text[at] === ":" && last > at + 1 && !isPort(text, at + 1)) {
      out.replace(at + 1, last, replace(text.slice(at + 1, last), "url"));
      at = last;
    } else if (text[at] === "@" && at > start && !text.startsWith("@sha", at)) {
      at = lastAtSign(text, start, runEnd(text, at, IN_AUTHORITY));
      out.replace(start, at, replace(text.slice(start, at), "url"));
    }
  }
  return out.text();
}

/** The last `@` in [start, end); -1 if there is none. */
function lastAtSign(text: string, start: number, end: number): number {
  let at = end - 1;
  while (at >= start && text[at] !== "@") at--;
  return at < start ? -1 : at;
}

/** Whether there is a port at `start`: digits followed by a path, a query or a fragment. */
function isPort(text: string, start: number): boolean {
  const end = runEnd(text, start, IN_PORT);
  return end > start && end - start <= 5 && "/?#".includes(text[end]);
}

/**
 * The base64 of a text at each of the three offsets within a group of three bytes, reduced to the characters that do not depend on
 * the bytes around it.
 */
const base64Forms = (text: string): string[] =>
  [0, 1, 2].map((lead) => {
    const encoded = Buffer.from("\0".repeat(lead) + text).toString("base64");
    return encoded.slice(Math.ceil((lead * 8) / 6), Math.floor(((lead + text.length) * 8) / 6));
  });
/** Keys of variables, of credentials and of a docker config in JSON. */
const CREDENTIAL_KEYS = ["env", "token", "password", "auths"];
const CREDENTIAL_KEY = new RegExp(`"(?:${CREDENTIAL_KEYS.join("|")})"\\s*:`);
/** Texts that are looked for in base64. */
const ENCODED = ["eyJ", "PRIVATE KEY", "current-context", "Secret", ...CREDENTIAL_KEYS.map((key) => `"${key}"`)];
/** Beginnings of texts that are always hashed: gzip in base64, and that in base64 again; tokens and keys in base64 twice. */
const NESTED_FORMS = ["H4sI", "SDRzS", "WlhsS", "TFMwdExTMUNSVWRKV"];
export const BASE64_FORMS = [...ENCODED.flatMap(base64Forms), ...NESTED_FORMS];

/** A text without any of these contains no secret. */
const TRACES = ["eyJ", "PRIVATE KEY", "@", "Secret", ...KUBECONFIG_MARKS, ...BASE64_FORMS, ...TOKEN_MARKS];
const TRACE = new RegExp(TRACES.map((trace) => trace.replaceAll(".", "\\.")).join("|"));

function scrubBase64(text: string, replace: Replace): string {
  const out = new Splice(text);
  const next = BASE64_FORMS.map((form) => text.indexOf(form));
  let from = 0;
  for (;;) {
    const at = nearest(next);
    if (at < 0) return out.text();
    let start = at;
    while (start > from && IN_BASE64[text.charCodeAt(start - 1)] === 1) start--;
    const end = runEnd(text, at, IN_BASE64);
    const run = text.slice(start, end);
    if (NESTED_FORMS.some((form) => run.startsWith(form)) || hidesSecret(run))
      out.replace(start, end, replace(decodeBase64(run), "base64"));
    from = end;
    for (const [i, form] of BASE64_FORMS.entries())
      if (next[i] >= 0 && next[i] < from) next[i] = text.indexOf(form, from);
  }
}

/** The lowest of the indices that are not -1; -1 if there is none. */
function nearest(indices: readonly number[]): number {
  let found = -1;
  for (const index of indices) if (index >= 0 && (found < 0 || index < found)) found = index;
  return found;
}

/** Whether a run of base64 contains a secret. The run may begin before the encoded text does (`key=…`, a path). */
function hidesSecret(run: string): boolean {
  for (let skip = 0; skip < 4; skip++) {
    const text = Buffer.from(run.slice(skip), "base64").toString("latin1");
    let found = false;
    const note = () => {
      found = true;
      return "";
    };
    if (isManifest(text) || CREDENTIAL_KEY.test(text)) return true;
    if (text.includes("PRIVATE KEY")) scrubKeys(text, note);
    if (!found && text.includes("eyJ")) scrubTokens(text, note);
    if (found) return true;
  }
  return false;
}

/** The bytes that base64 text stands for; the text's own bytes if it is not base64. */
export function decodeBase64(text: string): Uint8Array {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, "base64") : Buffer.from(text);
}

/** A set of characters as a table over ASCII. */
function set(characters: RegExp): Uint8Array {
  return Uint8Array.from({ length: 128 }, (_, code) => (characters.test(String.fromCharCode(code)) ? 1 : 0));
}

const IN_TOKEN = set(/[\w-]/);
const IN_USER = set(/[^\s:/?#@]/);
const IN_AUTHORITY = set(/[^\s/?#]/);
const IN_URL = set(/\S/);
const IN_PORT = set(/\d/);
const IN_BASE64 = set(/[\w+/=\r\n-]/);

/**
 * The index of the first character from `at` on that is not in the set. Non-ASCII characters belong to the sets for URLs, and to no
 * other.
 */
function runEnd(text: string, at: number, characters: Uint8Array): number {
  const beyond = characters === IN_URL || characters === IN_USER || characters === IN_AUTHORITY ? 1 : 0;
  let end = at;
  while (end < text.length && (characters[text.charCodeAt(end)] ?? beyond) === 1) end++;
  return end;
}

/** A text with some of its parts replaced, in rising order. */
export class Splice {
  #done = 0;
  #out = "";

  constructor(private readonly original: string) {}

  replace(start: number, end: number, replacement: string): void {
    this.#out += this.original.slice(this.#done, start) + replacement;
    this.#done = end;
  }

  text(): string {
    return this.#done === 0 ? this.original : this.#out + this.original.slice(this.#done);
  }
}
