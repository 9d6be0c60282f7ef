/** What a name tells of its value. The lists stand in docs/redaction.md. */

/** A variable, a query parameter or a header is a credential's if one of these occurs in its name, whatever the case. */
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

/** A flag is a credential's if one of these is a word of it. Words end at `-`, `_`, `.` and before capitals … */
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

/** … unless its last word says that the value is about a credential, not one. */
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

/** Names longer than this are nobody's; their values go. */
const MAX_NAME = 256;

export function isCredentialName(name: string): boolean {
  if (name.length > MAX_NAME) return true;
  const lower = name.toLowerCase().replace(/[^a-z0-9]/g, "");
  return CREDENTIAL_PARTS.some((part) => lower.includes(part));
}

/** `flag` without its dashes. */
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
