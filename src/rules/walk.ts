import { Kind, type Tape } from "../plugin/index.js";
import type { SpanTest } from "./spans.js";
import { membersOf, nodeText } from "./text.js";
import type { TextTest } from "./text-test.js";
import { invert, Outcome, type Step } from "./tree.js";

/** What to do with the values that the steps lead to. */
export interface Leaf {
  /** Ask only whether there is one. */
  readonly exists: boolean;
  /** For strings, numbers, true and false. */
  readonly scalar: SpanTest;
  /** For arrays, for objects in arrays, and for null in arrays if `nulls` is set. */
  readonly text: TextTest;
  /** Null in an array has a text too (`contains`). */
  readonly nulls: boolean;
}

export type Walk = (tape: Tape, node: number) => Outcome;

/** The outcome for an item without the key: it does not count. */
const SKIP = -1;
type Answer = Outcome | typeof SKIP;
type Walker = (tape: Tape, node: number) => Answer;

const { no, yes, failed } = Outcome;

/** Makes the walk from a node along the steps to the values that they lead to. */
export function compileWalk(steps: readonly Step[], leaf: Leaf): Walk {
  // The first step is never `member`, so nothing is skipped at the top.
  return walkFrom(steps, 0, leaf) as Walk;
}

function walkFrom(steps: readonly Step[], at: number, leaf: Leaf): Walker {
  const step = steps[at];
  if (step === undefined) return leafTest(leaf, at > 0 && steps[at - 1].type !== "members");
  if (step.type === "members" && leaf.exists && at === steps.length - 1) return hasFlat(step.names);
  const next = walkFrom(steps, at + 1, leaf);
  switch (step.type) {
    case "members": {
      const keys = joinedNames(step.names);
      return (tape, node) => {
        const found = findFlat(tape, node, keys, 0);
        return found < 0 ? no : next(tape, found);
      };
    }
    case "member":
      return (tape, node) => {
        if (tape.kind(node) !== Kind.object) return failed;
        const found = tape.member(node, step.name);
        if (found < 0) return leaf.exists ? no : SKIP;
        return next(tape, found);
      };
    case "items": {
      const { from, to } = step;
      const decides = step.all ? no : yes;
      const isRoot = at === 0;
      return (tape, node) => {
        const kind = tape.kind(node);
        if (kind !== Kind.array) return isRoot && (kind === Kind.object || kind === Kind.null) ? no : failed;
        const end = tape.next(node);
        let any = false;
        let anyFailed = false;
        let index = 0;
        for (let item = node + 1; item < end && index < to; item = tape.next(item), index++) {
          if (index < from) continue;
          const answer = next(tape, item);
          if (answer === decides) return decides;
          if (answer === failed) anyFailed = true;
          if (answer !== SKIP) any = true;
        }
        return anyFailed ? failed : any ? invert(decides) : no;
      };
    }
  }
}

function leafTest(leaf: Leaf, inItem: boolean): Walk {
  if (leaf.exists) return (tape, node) => (tape.kind(node) === Kind.null ? no : yes);
  return (tape, node) => {
    switch (tape.kind(node)) {
      case Kind.null:
        return leaf.nulls ? leaf.text("<nil>") : no;
      case Kind.object:
        return inItem ? leaf.text(nodeText(tape, node)) : no;
      case Kind.array:
        return leaf.text(nodeText(tape, node));
      default:
        return leaf.scalar(tape.bytes, tape.start(node), tape.end(node));
    }
  };
}

/** `keys[i][n]` is the `n + 1` names from `i` on, joined by dots. */
export function joinedNames(names: readonly string[]): readonly (readonly string[])[] {
  return names.map((_, from) => names.slice(from).map((_, count) => names.slice(from, from + count + 1).join(".")));
}

/**
 * The member that the names from index `from` on lead to, joined by dots in any way, if it is not null, nor an object unless
 * `objects` is set; otherwise -1. `keys` comes from {@link joinedNames}.
 */
export function findFlat(
  tape: Tape,
  node: number,
  keys: readonly (readonly string[])[],
  from: number,
  objects = false,
): number {
  if (tape.kind(node) !== Kind.object) return -1;
  const candidates = keys[from];
  for (let count = 0; count < candidates.length; count++) {
    const member = tape.member(node, candidates[count]);
    if (member < 0) continue;
    const rest = from + count + 1;
    const found = rest < keys.length ? findFlat(tape, member, keys, rest, objects) : member;
    if (found >= 0 && isValue(tape.kind(found), objects)) return found;
  }
  return -1;
}

const isValue = (kind: Kind, objects: boolean): boolean => kind !== Kind.null && (objects || kind !== Kind.object);

/** True if there is a value other than null at the joined names or below them. */
function hasFlat(names: readonly string[]): Walk {
  const wanted = names.map((_, from) => names.slice(from).join("."));
  const keys = joinedNames(names);
  const has = (tape: Tape, node: number, from: number): boolean => {
    if (tape.kind(node) !== Kind.object) return false;
    for (const [key, child] of membersOf(tape, node)) {
      if (key === wanted[from] || key.startsWith(`${wanted[from]}.`)) {
        if (hasValue(tape, child)) return true;
      } else {
        const count = keys[from].indexOf(key);
        if (count >= 0 && has(tape, child, from + count + 1)) return true;
      }
    }
    return false;
  };
  return (tape, node) => (has(tape, node, 0) ? yes : no);
}

/** True if the value is an array, a scalar other than null, or an object with such a value anywhere in it. */
export function hasValue(tape: Tape, node: number): boolean {
  const open = [node];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const kind = tape.kind(next);
    if (kind === Kind.object) for (const member of membersOf(tape, next).values()) open.push(member);
    else if (kind !== Kind.null) return true;
  }
  return false;
}
