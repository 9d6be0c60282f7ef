import { Automaton, type Needle } from "./automaton.js";
import type { Knowledge } from "./fold.js";
import { literalsOf } from "./literal.js";
import { Outcome, type Path, type TestNode } from "./tree.js";

/** What has to be in a value, by the automaton's numbers, for a test to say "yes" of it. */
interface Need {
  readonly test: TestNode;
  /** One of each group has to be there. */
  readonly groups: readonly (readonly number[])[];
  /** What the test says if it is all there; undefined if that depends. */
  readonly found: Outcome | undefined;
  /** What the test says if it is not; undefined if it may also fail. */
  readonly missed: Outcome | undefined;
}

/** Most texts of one `in` that are looked for. */
const MAX_TEXTS = 500;

/** Tests of one value that can be decided, or ruled out, by the texts that occur in its bytes: all in one pass over them. */
export class Needs {
  private readonly automaton: Automaton;
  private readonly needs: Need[] = [];

  /** @param anyCase the texts of tests are in lower case, and values count so */
  constructor(anyCase = false) {
    this.automaton = new Automaton(anyCase);
  }

  get size(): number {
    return this.needs.length;
  }

  /** What is looked for, as it stands in JSON. */
  get texts(): readonly Buffer[] {
    return this.automaton.texts;
  }

  /** Only before the first run. False if no text decides the test. */
  add(node: TestNode): boolean {
    const { source, steps } = node.path;
    const isMember = source.kind === "values" ? source.names.length > 0 : steps.length > 0;
    const need = isMember ? this.needOfMember(node) : this.needOfText(node);
    if (need === undefined) return false;
    this.needs.push(need);
    return true;
  }

  /** A number for what bytes [start, end) hold of what the tests need; -1 if that cannot be told. */
  run(bytes: Uint8Array, start: number, end: number): number {
    return this.automaton.run(bytes, start, end);
  }

  /** Adds what is known of values that hold this. */
  tell(set: number, known: Knowledge): void {
    for (const { test, groups, found, missed } of this.needs) {
      const isThere = groups.every((group) => group.some((needle) => this.automaton.has(set, needle)));
      const outcome = isThere ? found : missed;
      if (outcome !== undefined) known.outcomes.set(test, outcome);
      else if (!isThere) known.refuted.add(test);
    }
  }

  /** Of a test of a whole string. */
  private needOfText(node: TestNode): Need | undefined {
    const { test, negated } = node;
    const group = this.group(textsOf(node, true));
    if (group === undefined) return undefined;
    const [hit, miss] = negated ? [Outcome.no, Outcome.yes] : [Outcome.yes, Outcome.no];
    const decides = test.op !== "matches" && test.op !== "matchesWhole";
    return { test: node, groups: [group], found: decides ? hit : undefined, missed: miss };
  }

  /** Of a test of what lies below a value: without the keys there is nothing to say "yes" to, negated or not. */
  private needOfMember(node: TestNode): Need | undefined {
    const { path, test, negated } = node;
    const groups = keysOf(path, test.op === "exists").map((key) => this.group([key]));
    const isExact = path.source.kind !== "values" && test.op !== "matches";
    const texts = negated || !isExact ? [] : textsOf(node, false);
    if (texts.every(({ text }) => isOnlyString(text))) groups.push(this.group(texts));
    const usable = groups.filter((group) => group !== undefined);
    if (usable.length === 0) return undefined;
    // What is no array, or no object in one, fails.
    const canFail = path.steps.some(({ type }) => type === "items");
    return { test: node, groups: usable, found: undefined, missed: canFail ? undefined : Outcome.no };
  }

  private group(needles: readonly Needle[]): readonly number[] | undefined {
    if (needles.length === 0 || needles.length > MAX_TEXTS) return undefined;
    const numbers = needles.map((needle) => this.automaton.add(needle));
    return numbers.includes(-1) ? undefined : numbers;
  }
}

/** Texts of which one is in every value that the test holds for; `whole`: between the quotes of a string. */
function textsOf({ test }: TestNode, whole: boolean): readonly Needle[] {
  const needle = (text: string, isWhole: boolean) => ({ text, begins: isWhole, ends: isWhole });
  switch (test.op) {
    case "equals":
      return [needle(test.text, whole)];
    case "in":
      return test.texts.map((text) => needle(text, whole));
    case "contains":
      return [needle(test.text, false)];
    case "startsWith":
      return [{ text: test.text, begins: whole, ends: false }];
    case "endsWith":
      return [{ text: test.text, begins: false, ends: whole }];
    case "matches":
    case "matchesWhole":
      return literalsOf(test.pattern);
    default:
      return [];
  }
}

/**
 * The last keys on a path. One outside of arrays may be joined to those before it by dots, and before `exists` go on so; those of
 * named values may be joined to any.
 */
function keysOf({ source, steps }: Path, exists: boolean): readonly Needle[] {
  if (source.kind === "values") {
    const names = source.names.slice(-2);
    return names.map((text, index) => ({ text, begins: false, ends: index === names.length - 1 }));
  }
  const keys = steps.flatMap((step, index): Needle[] => {
    if (step.type === "items") return [];
    if (step.type === "member") return [{ text: step.name, begins: true, ends: true }];
    const isOpen = exists && index === steps.length - 1;
    return [{ text: step.names[step.names.length - 1], begins: false, ends: !isOpen }];
  });
  return keys.slice(-2);
}

/** The names that keys on a path end with. Without such keys in a body there is nothing to say "yes" to, negated or not. */
export function endedKeys({ source, steps }: Path, exists: boolean): readonly string[] {
  if (source.kind === "values") return source.names.slice(-1);
  return steps.flatMap((step, index) => {
    if (step.type === "items") return [];
    if (step.type === "member") return [step.name];
    const isOpen = exists && index === steps.length - 1;
    return isOpen ? [] : [step.names[step.names.length - 1]];
  });
}

/** True for a text that only strings can hold: no part of a number, true, false, or how arrays and objects are written. */
function isOnlyString(text: string): boolean {
  return /^[\w./@-]{4,}$/.test(text) && !/^[-+.\deEInf]*$/.test(text) && !"true false".includes(text);
}
