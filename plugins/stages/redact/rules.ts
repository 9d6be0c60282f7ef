import { Kind, NODE_WORDS, Node, type Tape } from "../../../src/plugin/index.js";
import type { Edits } from "./edits.js";
import { ANY, DEEP, parsePath, type Step } from "./path.js";
import type { Replace } from "./text.js";

export const ACTIONS = ["hash", "mask", "drop", "truncate"] as const;
export type Action = (typeof ACTIONS)[number];

/** A rule as it is configured. */
export interface RuleOptions {
  readonly resources: readonly string[];
  readonly paths: readonly string[];
  readonly action: Action;
  /** Characters that `truncate` keeps. */
  readonly keep: number;
}

/** What stands for a value that is masked. */
const MASK = "***";
/** Resources whose rules are remembered. */
const MAX_KNOWN = 4096;

interface Path {
  readonly steps: readonly Step[];
  readonly action: Action;
  readonly keep: number;
}

/** The rules of a configuration. */
export class Rules {
  readonly #rules: readonly { readonly resources: readonly string[]; readonly paths: readonly Path[] }[];
  readonly #known = new Map<string, ResourceRules | undefined>();

  /** Throws an Error for a path that cannot be read. */
  constructor(options: readonly RuleOptions[]) {
    this.#rules = options.map(({ resources, paths, action, keep }) => ({
      resources,
      paths: paths.map((path) => ({ steps: parsePath(path), action, keep })),
    }));
  }

  get size(): number {
    return this.#rules.length;
  }

  /** Those for a resource; undefined if there are none. */
  of(resource: string, group: string): ResourceRules | undefined {
    const key = `${resource}.${group}`;
    if (this.#known.has(key)) return this.#known.get(key);
    const names = new Set([resource, key, `*.${group}`, "*"]);
    const paths = this.#rules
      .filter((rule) => rule.resources.some((name) => names.has(name)))
      .flatMap(({ paths }) => paths);
    const found = paths.length === 0 ? undefined : new ResourceRules(paths);
    if (this.#known.size === MAX_KNOWN) this.#known.clear();
    this.#known.set(key, found);
    return found;
  }
}

/** Where the walk is on a path: before which step. */
interface State {
  readonly path: Path;
  readonly step: number;
}

/** The paths that hold for one resource. */
export class ResourceRules {
  readonly #start: readonly State[];

  constructor(paths: readonly Path[]) {
    this.#start = paths.map((path) => ({ path, step: 0 }));
  }

  /** Applies the rules to a body: an object, a list or table of objects, a watch event, a JSON patch. */
  apply(tape: Tape, root: number, edits: Edits, replace: Replace): void {
    new Application(tape, edits, replace).run(root, this.#start);
  }
}

/** Deeper values are left to the profile, which takes a body away that is deeper. */
const MAX_DEPTH = 512;

class Application {
  constructor(
    private readonly tape: Tape,
    private readonly edits: Edits,
    private readonly replace: Replace,
  ) {}

  run(root: number, start: readonly State[]): void {
    const { tape } = this;
    if (tape.kind(root) === Kind.array) {
      for (const op of this.#children(root)) this.#op(op, start);
      return;
    }
    this.#below(root, start, 0);
    for (const child of this.#children(root)) {
      if (tape.keyIs(child, "items")) for (const item of this.#children(child)) this.#below(item, start, 0);
      else if (tape.keyIs(child, "object")) this.#below(child, start, 0);
      else if (tape.keyIs(child, "rows")) for (const row of this.#children(child)) this.#row(row, start);
    }
  }

  #row(row: number, start: readonly State[]): void {
    for (const child of this.#children(row)) if (this.tape.keyIs(child, "object")) this.#below(child, start, 0);
  }

  /** The value of an operation of a JSON patch counts as what stands at its path. */
  #op(op: number, start: readonly State[]): void {
    const { tape } = this;
    const members = tape.kind(op) === Kind.object ? this.#children(op) : [];
    for (const path of members.filter((child) => tape.keyIs(child, "path") && tape.kind(child) === Kind.string)) {
      let states = start;
      let ended: Path | undefined;
      for (const segment of tape.text(path).split("/").slice(1)) {
        states = advance(states, segment.replaceAll("~1", "/").replaceAll("~0", "~"), /^(?:\d+|-)$/.test(segment));
        ended ??= endOf(states);
      }
      for (const [index, value] of members.entries()) {
        if (!tape.keyIs(value, "value")) continue;
        if (ended) this.#act(members, index, true, ended);
        else this.#below(value, states, 0);
      }
    }
  }

  #below(node: number, states: readonly State[], depth: number): void {
    if (states.length === 0 || depth > MAX_DEPTH) return;
    const isArray = this.tape.kind(node) === Kind.array;
    const children = this.#children(node);
    let staysBefore = false;
    for (const [index, child] of children.entries()) {
      const next = advance(states, isArray ? String(index) : this.tape.key(child), isArray);
      const ended = endOf(next);
      if (ended) this.#act(children, index, staysBefore, ended);
      else this.#below(child, next, depth + 1);
      staysBefore ||= ended?.action !== "drop";
    }
  }

  /** @param staysBefore whether one of the children before stays */
  #act(children: readonly number[], index: number, staysBefore: boolean, { action, keep }: Path): void {
    const { tape, edits } = this;
    const node = children[index];
    const [start, end, kind] = [tape.start(node), tape.end(node), tape.kind(node)];
    if (action === "drop") this.#drop(children, index, staysBefore);
    else if (kind === Kind.null) return;
    else if (action === "mask") edits.overlay(start, end, JSON.stringify(MASK));
    else if (action === "truncate" && kind === Kind.string) {
      const text = tape.text(node);
      if (text.length > keep) edits.overlay(start, end, JSON.stringify(`${text.slice(0, keep)}…`), true);
    } else if (action === "hash" || kind === Kind.object || kind === Kind.array) {
      const value = kind === Kind.string ? tape.text(node) : tape.bytes.subarray(start, end);
      if (value.length > 0) edits.overlay(start, end, JSON.stringify(this.replace(value, "rule")));
    }
  }

  /** Takes a member or item out, and one comma: the one before it, or, if none before it stays, the one behind. */
  #drop(children: readonly number[], index: number, staysBefore: boolean): void {
    const node = children[index];
    const isLast = index === children.length - 1;
    const from = staysBefore ? this.tape.end(children[index - 1]) : this.#startOf(node);
    this.edits.overlay(from, staysBefore || isLast ? this.tape.end(node) : this.#startOf(children[index + 1]), "");
  }

  /** The first byte of a member with its key, or of an item. */
  #startOf(node: number): number {
    const key = this.tape.words[node * NODE_WORDS + Node.keyStart];
    return key === 0 ? this.tape.start(node) : key - 1;
  }

  #children(node: number): number[] {
    const { tape } = this;
    const children: number[] = [];
    if (tape.kind(node) !== Kind.object && tape.kind(node) !== Kind.array) return children;
    const end = tape.next(node);
    for (let child = node + 1; child < end; child = tape.next(child)) children.push(child);
    return children;
  }
}

function advance(states: readonly State[], name: string, isItem: boolean): State[] {
  const next: State[] = [];
  const add = (path: Path, step: number) => {
    if (!next.some((state) => state.path === path && state.step === step)) next.push({ path, step });
  };
  for (const { path, step } of states) {
    const expected = path.steps[step];
    if (expected === DEEP) {
      add(path, step);
      if (fits(path.steps[step + 1], name, isItem)) add(path, step + 2);
    } else if (fits(expected, name, isItem)) add(path, step + 1);
  }
  return next;
}

function fits(step: Step, name: string, isItem: boolean): boolean {
  if (step === ANY) return true;
  if (!isItem) return step === name;
  return name === "-" ? typeof step === "number" : step === Number(name);
}

/** The first path that ends here. */
function endOf(states: readonly State[]): Path | undefined {
  return states.find(({ path, step }) => step === path.steps.length)?.path;
}
