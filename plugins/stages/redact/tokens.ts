import type { Replace } from "./text.js";

/**
 * Tokens that begin with their issuer's mark, so that they are recognised wherever they leak: the mark, and the least that follows
 * it. In the order of GitHub, GitLab, Slack, HashiCorp Vault, Docker Hub, Google, age; docs/redaction.md lists them. No mark
 * contains a character that is encoded in a URI, because the search skips some encoded characters (`HARMLESS_CODES`).
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
/** If this precedes a mark, the mark occurs by chance, in base64. After `%2F` or `\n` there may well be a token. */
const LONG_WORD = "[A-Za-z0-9]{8}";
const TOKEN = new RegExp(
  `(?<!${LONG_WORD})(?:${TOKENS.map(([mark, rest]) => `${mark.replaceAll(".", "\\.")}${rest}`).join("|")})`,
  "g",
);

/** Replaces such tokens. */
export function scrubIssuedTokens(text: string, replace: Replace): string {
  return text.replace(TOKEN, (token) => replace(token, "token"));
}
