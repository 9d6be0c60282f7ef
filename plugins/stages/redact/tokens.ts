import type { Replace } from "./text.js";

/**
 * Tokens that begin with a mark of who issued them, so that they are found where they leak: mark, and what follows it at least. In
 * the order of GitHub, GitLab, Slack, HashiCorp Vault, Docker Hub, Google, age. They stand in docs/redaction.md. No mark holds a sign
 * that a URI encodes: of these the search passes over some (`HARMLESS_CODES`).
 */
const TOKENS: readonly (readonly [mark: string, rest: string])[] = [
  ["ghp_", "[A-Za-z0-9]{36,}"],
  ["gho_", "[A-Za-z0-9]{36,}"],
  ["ghu_", "[A-Za-z0-9]{36,}"],
  ["ghs_", "[A-Za-z0-9]{36,}"],
  ["ghr_", "[A-Za-z0-9]{36,}"],
  ["github_pat_", "\\w{22,}"],
  ["glpat-", "[\\w-]{20,}"],
  ["xoxb-", "[\\w-]{20,}"],
  ["xoxp-", "[\\w-]{20,}"],
  ["hooks.slack.com", "/services/[\\w/]{20,}"],
  ["hvs.", "[\\w-]{20,}"],
  ["dckr_pat_", "[\\w-]{20,}"],
  ["AIza", "[\\w-]{35,}"],
  ["AGE-SECRET-KEY-", "[A-Z0-9]{40,}"],
];
export const TOKEN_MARKS: readonly string[] = TOKENS.map(([mark]) => mark);
/** What a mark stands behind by chance: base64. Behind `%2F` or `\n` there may well be a token. */
const LONG_WORD = "[A-Za-z0-9]{8}";
const TOKEN = new RegExp(
  `(?<!${LONG_WORD})(?:${TOKENS.map(([mark, rest]) => `${mark.replaceAll(".", "\\.")}${rest}`).join("|")})`,
  "g",
);

/** Hashes them. */
export function scrubIssuedTokens(text: string, replace: Replace): string {
  return text.replace(TOKEN, (token) => replace(token, "token"));
}
