import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");
const NOT_OURS = /^(node_modules|dist|\..*)$/;

/** Every Markdown page of the repository, as paths from its root. */
export function pages(directory = ""): string[] {
  return readdirSync(join(ROOT, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return NOT_OURS.test(entry.name) ? [] : pages(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

export const textOf = (page: string): string => readFileSync(join(ROOT, page), "utf8");

/** The blocks of code of a language that a page shows. */
export const blocks = (page: string, language: string): string[] =>
  [...textOf(page).matchAll(new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\``, "gm"))].map(
    ([, indent, code]) => code.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  );
