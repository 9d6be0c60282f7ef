import { Automaton, type Needle } from "./automaton.js";
import type { Knowledge } from "./fold.js";
import { literalsOf } from "./literal.js";
import { Outcome, type Path, type TestNode } from "./tree.js";

/** What must occur in a value for a test to say "yes". Texts are given by their numbers in the automaton. */
interface Need {
  readonly test: TestNode;
  /** At least one text of each group must occur. */
  readonly groups: readonly (readonly number[])[];
  /** The test's outcome if they all do; undefined if that is not enough to tell. */
  readonly found: Outcome | undefined;
  /** The test's outcome if they do not; undefined if the test may also fail. */
  readonly missed: Outcome | undefined;
}

/** Most texts of one `in` that are looked for. */
const MAX_TEXTS = 500;

/** Tests of one value that can be decided, or ruled out, by the texts that occur in its bytes. One pass finds all texts. */
export class Needs {
  private readonly automaton: Automaton;
  private readonly needs: Need[] = [];

  /** @param anyCase ignore case: the texts of tests are in lower case */
  constructor(anyCase = false) {
    this.automaton = new Automaton(anyCase);
  }

  get size(): number {
    return this.needs.length;
  }

  /** The texts to look for, as bytes of JSON. */
  get texts(): readonly Buffer[] {
    return this.automaton.texts;
  }

  /** Allowed only before the first run. False if no text decides the test. */
  add(node: TestNode): boolean {
    const { source, steps } = node.path;
    const isMember = source.kind === "values" ? source.names.length > 0 : steps.length > 0;
    const need = isMember ? this.needOfMember(node) : this.needOfText(node);
    if (need === undefined) return false;
    this.needs.push(need);
    return true;
  }

  /** A number for the set of needed texts that occur in bytes [start, end); -1 if that cannot be told. */
  run(bytes: Uint8Array, start: number, end: number): number {
    return this.automaton.run(bytes, start, end);
  }

  /** Adds what is known of values that contain this set. */
  tell(set: number, known: Knowledge): void {
    for (const { test, groups, found, missed } of this.needs) {
      const isThere = groups.every((group) => group.some((needle) => this.automaton.has(set, needle)));
      const outcome = isThere ? found : missed;
      if (outcome !== undefined) known.outcomes.set(test, outcome);
      else if (!isThere) known.refuted.add(test);
    }
  }

  /** What a test of a whole string needs. */
  private needOfText(node: TestNode): Need | undefined {
    const { test, negated } = node;
    const group = this.group(textsOf(node, true));
    if (group === undefined) return undefined;
    const [hit, miss] = negated ? [Outcome.no, Outcome.yes] : [Outcome.yes, Outcome.no];
    const decides = test.op !== "matches" && test.op !== "matchesWhole";
    return { test: node, groups: [group], found: decides ? hit : undefined, missed: miss };
  }

  /** What a test of a value below a body needs. Without the keys there is no value, so even a negated test cannot say "yes". */
  private needOfMember(node: TestNode): Need | undefined {
    const { path, test, negated } = node;
    const groups = keysOf(path, test.op === "exists").map((key) => this.group([key]));
    const isExact = path.source.kind !== "values" && test.op !== "matches";
    const texts = negated || !isExact ? [] : textsOf(node, false);
    if (texts.every(({ text }) => isOnlyString(text))) groups.push(this.group(texts));
    const usable = groups.filter((group) => group !== undefined);
    if (usable.length === 0) return undefined;
    // A value that is not an array, or an item that is not an object, fails the test.
    const canFail = path.steps.some(({ type }) => type === "items");
    return { test: node, groups: usable, found: undefined, missed: canFail ? undefined : Outcome.no };
  }

  private group(needles: readonly Needle[]): readonly number[] | undefined {
    if (needles.length === 0 || needles.length > MAX_TEXTS) return undefined;
    const numbers = needles.map((needle) => this.automaton.add(needle));
    return numbers.includes(-1) ? undefined : numbers;
  }
}

/**
 * Texts of which one occurs in every value that the test holds for. `whole`: the value is a string and nothing else, so the text
 * can be tied to its quotes.
 */
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
 * The last keys of a path. A key outside of arrays may be written joined by dots to those before it and, under `exists`, to further
 * ones; a key of named values may be joined to any.
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

/** The names that the keys of a path end with. A body without such keys has no value, so even a negated test cannot say "yes". */
export function endedKeys({ source, steps }: Path, exists: boolean): readonly string[] {
  if (source.kind === "values") return source.names.slice(-1);
  return steps.flatMap((step, index) => {
    if (step.type === "items") return [];
    if (step.type === "member") return [step.name];
    const isOpen = exists && index === steps.length - 1;
    return isOpen ? [] : [step.names[step.names.length - 1]];
  });
}

/** True for a text that occurs only in strings: not in a number, in true or false, or in the text of arrays and objects. */
function isOnlyString(text: string): boolean {
  return /^[\w./@-]{4,}$/.test(text) && !/^[-+.\deEInf]*$/.test(text) && !"true false".includes(text);
}
