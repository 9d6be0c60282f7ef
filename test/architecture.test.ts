import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");

/** Which rooms a room may import (ARCHITECTURE.md, "Rooms"). */
const ARROWS: Record<string, readonly string[]> = {
  "src/plugin": [],
  "src/tail": ["src/plugin"],
  "src/event": ["src/plugin"],
  "src/intake": ["src/plugin", "src/tail", "src/event"],
  "src/rules": ["src/plugin"],
  "src/delivery": ["src/plugin"],
  "src/kubernetes": ["src/plugin"],
  "src/observe": ["src/plugin", "src/version.ts"],
  "src/config": ["src/plugin", "src/tail", "src/intake", "plugins"],
  "src/pipeline": [
    "src/plugin",
    "src/event",
    "src/rules",
    "src/delivery",
    "src/kubernetes",
    "src/config",
    "src/observe",
    "src/version.ts",
  ],
  "src/commands": [
    "src/plugin",
    "src/tail",
    "src/event",
    "src/rules",
    "src/delivery",
    "src/config",
    "src/observe",
    "src/pipeline",
    "src/version.ts",
  ],
  "src/simulate": ["src/plugin"],
  "src/cli": ["src/plugin", "src/commands", "src/simulate", "src/version.ts"],
  plugins: ["src/plugin"],
};

function files(directory: string): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(directory, name));
}

/** What a file imports from the project, as paths from its root. */
function imports(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)].map((match) => match[1]);
  return specifiers.map((specifier) => relative(ROOT, resolve(ROOT, dirname(file), specifier)).replace(/\.js$/, ".ts"));
}

const isIn = (path: string, room: string) => path === room || path.startsWith(`${room}/`);

describe("arrows between rooms", () => {
  for (const [room, allowed] of Object.entries(ARROWS)) {
    it(`${room} imports ${allowed.length > 0 ? allowed.join(", ") : "no other room"}`, () => {
      const forbidden = files(room).flatMap((file) =>
        imports(file)
          .filter((target) => ![room, ...allowed].some((place) => isIn(target, place)))
          .map((target) => `${file} imports ${target}`),
      );
      expect(forbidden).toEqual([]);
    });
  }

  it("built-in plugins import the public API by its one door", () => {
    const inner = files("plugins").flatMap((file) =>
      imports(file)
        .filter((target) => isIn(target, "src") && target !== "src/plugin/index.ts")
        .map((target) => `${file} imports ${target}`),
    );
    expect(inner).toEqual([]);
  });

  it("every room is in the table", () => {
    const rooms = readdirSync(join(ROOT, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(Object.keys(ARROWS).sort()).toEqual(["plugins", ...rooms.map(({ name }) => `src/${name}`)].sort());
  });
});

describe("the package", () => {
  it("depends on what its types name, and on nothing else: the program is a bundle", () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const named = files("src/plugin").flatMap((file) =>
      [...readFileSync(join(ROOT, file), "utf8").matchAll(/^import .*from "([^."][^"]*)";/gm)].map((match) => match[1]),
    );
    const packages = new Set(named.filter((name) => !name.startsWith("node:")));
    expect(Object.keys(dependencies)).toEqual([...packages].sort());
  });
});
