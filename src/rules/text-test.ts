import { RE2JS } from "re2js";
import { compileGlob } from "./extraction/glob.js";
import { PathPrefixes } from "./extraction/path-prefixes.js";
import { addressIn } from "./network.js";
import { timePart } from "./time-part.js";
import { type NumberComparison, Outcome, type Test } from "./tree.js";

/** A test of a value's text. */
export type TextTest = (text: string) => Outcome;

const outcome = (holds: boolean): Outcome => (holds ? Outcome.yes : Outcome.no);

/** A test made ready: what is slow (sets, patterns) is done once. `exists` has no text to look at and isn't one. */
export function textTest(test: Exclude<Test, { op: "exists" }>, negated: boolean): TextTest {
  const holds = prepare(test);
  return (text) => {
    const result = holds(text);
    return result === undefined ? Outcome.failed : outcome(result !== negated);
  };
}

/** Undefined: the text is not what the test asks for. */
function prepare(test: Exclude<Test, { op: "exists" }>): (text: string) => boolean | undefined {
  switch (test.op) {
    case "equals":
      return (text) => text === test.text;
    case "contains":
      return (text) => text.includes(test.text);
    case "in": {
      const texts = new Set(test.texts);
      return (text) => texts.has(text);
    }
    case "matches": {
      const pattern = compilePattern(test.pattern);
      return (text) => pattern.test(text);
    }
    case "boolean":
      return (text) => {
        const value = BOOLEANS.get(text);
        return value === undefined ? undefined : value === test.value;
      };
    case "number":
      return (text) => {
        const value = parseNumber(text);
        return value === undefined ? undefined : compareNumbers(value, test.compare, test.value);
      };
    case "less":
      return (text) => compareTexts(text, test.text) < 0;
    case "lessOrEqual":
      return (text) => compareTexts(text, test.text) <= 0;
    case "greater":
      return (text) => compareTexts(text, test.text) > 0;
    case "greaterOrEqual":
      return (text) => compareTexts(text, test.text) >= 0;
    case "startsWith":
      return (text) => text.startsWith(test.text);
    case "endsWith":
      return (text) => text.endsWith(test.text);
    case "containsAnyCase": {
      const wanted = lowerAscii(test.text);
      return (text) => lowerAscii(text).includes(wanted);
    }
    case "glob": {
      const pattern = compileGlob(test.pattern, test.anyCase);
      return (text) => pattern(text);
    }
    case "matchesWhole": {
      const pattern = compilePattern(test.pattern);
      return (text) => pattern.matches(text);
    }
    case "below": {
      const paths = new PathPrefixes(test.paths);
      return (text) => paths.match(text);
    }
    case "integer": {
      const value = BigInt(test.value);
      return (text) => compareIntegers(BigInt(text), test.compare, value);
    }
    case "exactlyOne": {
      const tests = test.tests.map(prepare);
      return (text) => tests.filter((holds) => holds(text)).length === 1;
    }
    case "anyOf": {
      const tests = test.tests.map(prepare);
      return (text) => tests.some((holds) => holds(text));
    }
    case "allOf": {
      const tests = test.tests.map(prepare);
      return (text) => tests.every((holds) => holds(text));
    }
    case "unequal":
      return (text) => text !== test.text;
    case "numeric":
      return (text) => DECIMAL.test(text) && compareNumbers(Number(text), test.compare, test.value);
    case "inNetwork":
      return addressIn(test.network);
    case "timePart":
      return (text) => {
        const part = timePart(text, test.part);
        return part !== undefined && compareNumbers(part, test.compare, test.value);
      };
    case "likeValue":
    case "allIn":
    case "someIn":
    case "compared":
      throw new Error(`${test.op} is no test of one text`);
  }
}

/** Patterns that are kept compiled: a condition is parsed several times before it runs, and rules share patterns. */
const MAX_COMPILED = 1000;
const compiled = new Map<string, RE2JS>();

/** Longer patterns, in UTF-16 units, are refused: they take long to compile. */
const MAX_PATTERN = 20_000;
/** So are those of more instructions: at worst each is tried at each place of a text. */
const MAX_PROGRAM = 10_000;

/** RE2 syntax and linear time, whatever the pattern. Throws an Error that says what is wrong with it. */
export function compilePattern(pattern: string): RE2JS {
  let known = compiled.get(pattern);
  if (known === undefined) {
    if (pattern.length > MAX_PATTERN) throw new Error(`it is longer than ${MAX_PATTERN} characters`);
    known = RE2JS.compile(pattern);
    if (known.programSize() > MAX_PROGRAM) throw new Error("it is too large; use fewer alternatives and repetitions");
    if (compiled.size === MAX_COMPILED) compiled.clear();
    compiled.set(pattern, known);
  }
  return known;
}

/** ASCII letters in lower case, as C does without a locale. */
export function lowerAscii(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text;
}

/** Byte by byte, as UTF-8. */
export function compareTexts(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The spellings of Go's `strconv.ParseBool`. */
const BOOLEANS = new Map<string, boolean>([
  ...["1", "t", "T", "TRUE", "true", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((text) => [text, false] as const),
]);

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;

/** Go's `strconv.ParseFloat`, decimal forms: undefined for what it refuses, out of range included. */
export function parseNumber(text: string): number | undefined {
  if (DECIMAL.test(text)) {
    const value = Number(text);
    return Number.isFinite(value) ? value : undefined;
  }
  const infinite = INFINITE.exec(text);
  if (infinite) return infinite[1] === "-" ? -Infinity : Infinity;
  return /^nan$/i.test(text) ? NaN : undefined;
}

export function compareIntegers(a: bigint, comparison: NumberComparison, b: bigint): boolean {
  return compareNumbers(a < b ? -1 : a > b ? 1 : 0, comparison, 0);
}

export function compareNumbers(a: number, comparison: NumberComparison, b: number): boolean {
  switch (comparison) {
    case "=":
      return a === b;
    case "!=":
      return a !== b;
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    default:
      return a >= b;
  }
}
