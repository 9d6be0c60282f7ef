import { compileGlob } from "./glob.js";

/** A directory in the tree of paths: what follows it, by name and by pattern. */
interface Node {
  readonly names: Map<string, Node | "end">;
  readonly patterns: Map<string, { readonly match: (text: string) => boolean; below: Node | "end" }>;
}

/**
 * Tells whether one of some paths is a prefix of a given path, part by part. Parts with `?`, `*` or `[` are globs. Like libsinsp's
 * `path_prefix_map`.
 */
export class PathPrefixes {
  private readonly root: Node = newNode();
  /** The empty path is a prefix of every path. */
  private all = false;

  constructor(paths: readonly string[]) {
    for (const path of paths) this.add(partsOf(path));
  }

  match(path: string): boolean {
    return this.all || matchBelow(this.root, partsOf(path), 0);
  }

  private add(parts: readonly string[]): void {
    if (parts.length === 0) this.all = true;
    let node = this.root;
    for (const [index, part] of parts.entries()) {
      const isLast = index === parts.length - 1;
      const known = childOf(node, part);
      // A shorter path is there already, so this one adds nothing.
      if (known === "end") return;
      const child = isLast ? "end" : (known ?? newNode());
      if (isPattern(part)) node.patterns.set(part, { match: compileGlob(part), below: child });
      else node.names.set(part, child);
      if (child === "end") return;
      node = child;
    }
  }
}

function newNode(): Node {
  return { names: new Map(), patterns: new Map() };
}

const isPattern = (part: string): boolean => /[?*[]/.test(part);

function childOf(node: Node, part: string): Node | "end" | undefined {
  return isPattern(part) ? node.patterns.get(part)?.below : node.names.get(part);
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}

function matchBelow(node: Node, parts: readonly string[], at: number): boolean {
  if (at === parts.length) return false;
  const named = node.names.get(parts[at]);
  if (named === "end" || (named && matchBelow(named, parts, at + 1))) return true;
  for (const { match, below } of node.patterns.values())
    if (match(parts[at]) && (below === "end" || matchBelow(below, parts, at + 1))) return true;
  return false;
}
