/** What a name says about its value. docs/redaction.md has these lists. */

/** A variable, a query parameter or a header holds a credential if its name contains one of these, in any case. */
export const CREDENTIAL_PARTS: readonly string[] = [
  "pass",
  "pwd",
  "secret",
  "token",
  "key",
  "cred",
  "auth",
  "dsn",
  "conn",
  "jwt",
  "bearer",
  "cookie",
  "signature",
  "salt",
];

/** A flag takes a credential if one of its words is one of these. Words end at `-`, `_`, `.` and before capitals … */
export const CREDENTIAL_WORDS: ReadonlySet<string> = new Set([
  "pass",
  "password",
  "passwd",
  "passphrase",
  "passin",
  "passout",
  "pwd",
  "pw",
  "secret",
  "secrets",
  "token",
  "key",
  "apikey",
  "accesskey",
  "secretkey",
  "credential",
  "credentials",
  "cred",
  "creds",
  "auth",
  "dsn",
  "jwt",
  "bearer",
  "cookie",
  "connection",
  "connstr",
]);

/** … or if a word ends with one of these (`requirepass`, `dbpassword`) … */
export const CREDENTIAL_ENDS: readonly string[] = ["pass", "password", "passwd", "secret", "token", "auth"];

/** … unless the last word says that the value is only about a credential. */
export const HARMLESS_LAST_WORDS: ReadonlySet<string> = new Set([
  "file",
  "files",
  "path",
  "dir",
  "name",
  "mode",
  "type",
  "ttl",
  "timeout",
  "size",
  "length",
  "format",
  "issuer",
  "audience",
]);

/** Longer names are not real ones: their values are hashed. */
const MAX_NAME = 256;

export function isCredentialName(name: string): boolean {
  if (name.length > MAX_NAME) return true;
  const lower = name.toLowerCase().replace(/[^a-z0-9]/g, "");
  return CREDENTIAL_PARTS.some((part) => lower.includes(part));
}

/** @param flag without its dashes */
export function isCredentialFlag(flag: string): boolean {
  if (flag.length > MAX_NAME || /^secret/i.test(flag)) return true;
  const words = flag
    .replace(/([a-z0-9])([A-Z])/g, "$1-$2")
    .toLowerCase()
    .split(/[-_.]/);
  return words.some(isCredentialWord) && !HARMLESS_LAST_WORDS.has(words[words.length - 1]);
}

function isCredentialWord(word: string): boolean {
  return CREDENTIAL_WORDS.has(word) || CREDENTIAL_ENDS.some((end) => word.endsWith(end));
}
