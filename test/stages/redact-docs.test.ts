import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PROGRAM_FLAGS } from "../../plugins/stages/redact/command.js";
import {
  CREDENTIAL_ENDS,
  CREDENTIAL_PARTS,
  CREDENTIAL_WORDS,
  HARMLESS_LAST_WORDS,
} from "../../plugins/stages/redact/credentials.js";
import { HARMLESS_ANNOTATIONS, HARMLESS_EXTRA } from "../../plugins/stages/redact/kept.js";
import { TOKEN_MARKS } from "../../plugins/stages/redact/tokens.js";

const page = readFileSync(new URL("../../docs/redaction.md", import.meta.url), "utf8");

/** The words in backquotes of the paragraph that begins with a title. */
function wordsOf(title: string): string[] {
  const paragraph = page.split("\n\n").find((text) => text.startsWith(`**${title}**`))!;
  return [...paragraph.matchAll(/`(\w+)`/g)].map((match) => match[1]);
}

describe("docs/redaction.md", () => {
  it("lists what is kept of a Secret's annotations and of a user's extra", () => {
    const keysOf = (title: string) => {
      const paragraph = page.split("\n\n").find((text) => text.startsWith(title))!;
      return [...paragraph.matchAll(/`([^`]+)`/g)].map((match) => match[1]).filter((word) => word.includes("/"));
    };
    expect(keysOf("Kept annotations of Secrets")).toEqual(HARMLESS_ANNOTATIONS);
    expect(keysOf("Kept in `extra`")).toEqual(HARMLESS_EXTRA);
  });
  it("lists the marks of tokens", () => {
    const row = page.split("\n").find((line) => line.startsWith("| tokens that show their issuer"))!;
    expect([...row.matchAll(/`([^`]+)`/g)].map((match) => match[1])).toEqual(TOKEN_MARKS);
  });
  it("lists the programs with flags of their own", () => {
    const paragraph = page.split("\n\n").find((text) => text.startsWith("**Command lines**"))!;
    const listed = [...paragraph.matchAll(/`(-\w)` of ([\w\s,-]+)/g)].flatMap(([, flag, programs]) =>
      programs.match(/[\w-]+/g)!.map((program): [string, string] => [program, flag]),
    );
    for (const [program, flag] of PROGRAM_FLAGS) expect(listed).toContainEqual([program, flag]);
  });
  it("lists the parts of credential names", () => {
    expect(wordsOf("Credential names")).toEqual([...CREDENTIAL_PARTS]);
  });
  it("lists the words of credential flags, and those that make a flag harmless", () => {
    expect(wordsOf("Credential flags")).toEqual([
      ...CREDENTIAL_WORDS,
      ...CREDENTIAL_ENDS,
      "secret",
      ...HARMLESS_LAST_WORDS,
      "true",
      "false",
    ]);
  });
});
