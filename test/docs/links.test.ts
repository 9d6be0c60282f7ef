import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { pages, ROOT, textOf } from "./pages.js";

/** Text without its code, where brackets are no links. */
const prose = (page: string) =>
  textOf(page)
    .replace(/^ *```[\s\S]*?^ *```/gm, "")
    .replace(/`[^`\n]*`/g, "");

/** Targets of the links in a page that point into the repository. */
function links(page: string): string[] {
  return [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map((link) => link[1]).filter((to) => !/^[a-z]+:/.test(to));
}

/** The name by which GitHub links to a heading. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .trim()
    .replaceAll(" ", "-");

function anchors(page: string): string[] {
  const text = textOf(page).replace(/^ *```[\s\S]*?^ *```/gm, "");
  return [...text.matchAll(/^#+ (.+)$/gm)].map((heading) => anchor(heading[1]));
}

describe("links in Markdown", () => {
  it.each(pages().filter((page) => links(page).length > 0))("of %s lead somewhere", (page) => {
    const broken = links(page).filter((link) => {
      const [path, fragment] = link.split("#");
      const target = path ? join(dirname(page), path) : page;
      if (!existsSync(join(ROOT, target))) return true;
      return fragment !== undefined && target.endsWith(".md") && !anchors(target).includes(fragment);
    });
    expect(broken).toEqual([]);
  });

  it("of the README reach every page in docs/", () => {
    const linked = links("README.md").map((link) => link.split("#")[0]);
    const missing = readdirSync(join(ROOT, "docs"))
      .map((name) => `docs/${name}`)
      .filter((page) => page.endsWith(".md") && !linked.includes(page));
    expect(missing).toEqual([]);
  });
});
