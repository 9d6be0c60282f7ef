import { Kind, NODE_WORDS, Node, type Tape } from "../../../src/plugin/index.js";
import type { Edits } from "./edits.js";
import { ANY, DEEP, parsePath, type Step } from "./path.js";
import type { Replace } from "./text.js";

export const ACTIONS = ["hash", "mask", "drop", "truncate"] as const;
export type Action = (typeof ACTIONS)[number];

/** A rule as configured. */
export interface RuleOptions {
  readonly resources: readonly string[];
  readonly paths: readonly string[];
  readonly action: Action;
  /** Number of characters that `truncate` keeps. */
  readonly keep: number;
}

/** Replaces a masked value. */
const MASK = "***";
/**
 * Most rules. Each rule is compared with each resource and each path with each value, so this bounds what a configuration can cost
 * per event.
 */
export const MAX_RULES = 100;
/** Most paths of all rules together. */
const MAX_PATHS = 1000;
/** Most resources whose rules are remembered. */
const MAX_KNOWN = 4096;

interface Path {
  readonly steps: readonly Step[];
  readonly action: Action;
  readonly keep: number;
  /** The states before each step, and the one after the last. */
  readonly states: readonly State[];
}

/** The position of the walk on a path: before which step it is. */
interface State {
  readonly path: Path;
  readonly step: number;
  /** The call of {@link advance} that has added it already. */
  turn: number;
}

function pathOf(text: string, action: Action, keep: number): Path {
  const steps = parsePath(text);
  const states: State[] = [];
  const path: Path = { steps, action, keep, states };
  for (let step = 0; step <= steps.length; step++) states.push({ path, step, turn: 0 });
  return path;
}

interface ConfiguredRule {
  readonly number: number;
  readonly resources: readonly string[];
  readonly paths: readonly Path[];
}

/** The rules of a configuration. */
export class Rules {
  readonly #rules: readonly ConfiguredRule[];
  readonly #known = new Map<string, ResourceRules | undefined>();
  /** By the numbers of the rules, because many resources have the same ones. */
  readonly #made = new Map<string, ResourceRules>();

  /** Throws an Error for a path that cannot be read, and for too many rules or paths. */
  constructor(options: readonly RuleOptions[]) {
    const count = options.reduce((sum, { paths }) => sum + paths.length, 0);
    if (options.length > MAX_RULES) throw new Error(`${options.length} rules, more than ${MAX_RULES}`);
    if (count > MAX_PATHS) throw new Error(`${count} paths, more than ${MAX_PATHS}`);
    this.#rules = options.map(({ resources, paths, action, keep }, number) => ({
      number,
      resources,
      paths: paths.map((path) => pathOf(path, action, keep)),
    }));
  }

  get size(): number {
    return this.#rules.length;
  }

  /** The rules for a resource; undefined if there are none. */
  of(resource: string, group: string): ResourceRules | undefined {
    const key = `${resource}.${group}`;
    if (this.#known.has(key)) return this.#known.get(key);
    const names = new Set([resource, key, `*.${group}`, "*"]);
    const rules = this.#rules.filter((rule) => rule.resources.some((name) => names.has(name)));
    const found = rules.length === 0 ? undefined : this.#rulesOf(rules);
    if (this.#known.size === MAX_KNOWN) this.#known.clear();
    this.#known.set(key, found);
    return found;
  }

  #rulesOf(rules: readonly ConfiguredRule[]): ResourceRules {
    const key = rules.map(({ number }) => number).join();
    const made = this.#made.get(key) ?? new ResourceRules(rules.flatMap(({ paths }) => paths));
    this.#made.set(key, made);
    return made;
  }
}

/** The paths that apply to one resource. */
export class ResourceRules {
  readonly #start: readonly State[];

  constructor(paths: readonly Path[]) {
    this.#start = paths.map(({ states }) => states[0]);
  }

  /** Applies the rules to a body: an object, a list or table of objects, a watch event, or a JSON patch. */
  apply(tape: Tape, root: number, edits: Edits, replace: Replace): void {
    new Application(tape, edits, replace).run(root, this.#start);
  }
}

/** Deeper values are skipped: the profile removes bodies that deep. */
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

  /** Applies the rules to an operation of a JSON patch: its value counts as if it were at its path. */
  #op(op: number, start: readonly State[]): void {
    const { tape } = this;
    const members = tape.kind(op) === Kind.object ? this.#children(op) : [];
    // Several paths may lead to the same state.
    const reached = new Set<State>();
    let ended: Path | undefined;
    for (const path of members.filter((child) => tape.keyIs(child, "path") && tape.kind(child) === Kind.string)) {
      let states = start;
      for (const segment of tape.text(path).split("/").slice(1)) {
        states = advance(states, segment.replaceAll("~1", "/").replaceAll("~0", "~"), /^(?:\d+|-)$/.test(segment));
        ended ??= endOf(states);
      }
      for (const state of states) reached.add(state);
    }
    const states = [...reached];
    for (const [index, value] of members.entries()) {
      if (!tape.keyIs(value, "value")) continue;
      if (ended) this.#act(members, index, true, ended);
      else this.#below(value, states, 0);
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

  /** @param staysBefore whether any earlier sibling stays */
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

  /** Removes a member or item together with one comma: the one before it or, if no earlier sibling stays, the one after it. */
  #drop(children: readonly number[], index: number, staysBefore: boolean): void {
    const node = children[index];
    const isLast = index === children.length - 1;
    const from = staysBefore ? this.tape.end(children[index - 1]) : this.#startOf(node);
    this.edits.overlay(from, staysBefore || isLast ? this.tape.end(node) : this.#startOf(children[index + 1]), "");
  }

  /** The first byte of a member, including its key, or of an item. */
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

let turn = 0;

/** The states reached from these by going to a member or item. */
function advance(states: readonly State[], name: string, isItem: boolean): State[] {
  const next: State[] = [];
  turn++;
  const add = (state: State) => {
    if (state.turn === turn) return;
    state.turn = turn;
    next.push(state);
  };
  for (const state of states) {
    const { steps, states: all } = state.path;
    const expected = steps[state.step];
    if (expected === DEEP) {
      add(state);
      if (fits(steps[state.step + 1], name, isItem)) add(all[state.step + 2]);
    } else if (fits(expected, name, isItem)) add(all[state.step + 1]);
  }
  return next;
}

function fits(step: Step, name: string, isItem: boolean): boolean {
  if (step === ANY) return true;
  if (!isItem) return step === name;
  return name === "-" ? typeof step === "number" : step === Number(name);
}

/** The first path that ends in one of these states. */
function endOf(states: readonly State[]): Path | undefined {
  return states.find(({ path, step }) => step === path.steps.length)?.path;
}
