import { compileGlob } from "./extraction/glob.js";
import { PathPrefixes } from "./extraction/path-prefixes.js";
import { addressIn } from "./network.js";
import { compilePattern } from "./pattern.js";
import { timePart } from "./time-part.js";
import { type NumberComparison, Outcome, type Test } from "./tree.js";

/** A test of a value's text. */
export type TextTest = (text: string) => Outcome;

const outcome = (holds: boolean): Outcome => (holds ? Outcome.yes : Outcome.no);

/** Prepares a test: the slow parts (sets, patterns) are built once. `exists` looks at no text, so it is not one. */
export function textTest(test: Exclude<Test, { op: "exists" }>, negated: boolean): TextTest {
  const holds = prepare(test);
  return (text) => {
    const result = holds(text);
    return result === undefined ? Outcome.failed : outcome(result !== negated);
  };
}

/** The test returns undefined if the text is not of the type that it asks for. */
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
      return (text) => pattern.isIn(text);
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
      return (text) => pattern.isWhole(text);
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

/** ASCII letters in lower case, as C does without a locale. */
export function lowerAscii(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text;
}

/** Compares byte by byte, as UTF-8. */
export function compareTexts(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The spellings that Go's `strconv.ParseBool` accepts. */
const BOOLEANS = new Map<string, boolean>([
  ...["1", "t", "T", "TRUE", "true", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((text) => [text, false] as const),
]);

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;
const HEXADECIMAL = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)p([+-]?\d+)$/i;
/** Underscores between two digits; the x of `0x` counts as a digit. */
const UNDERSCORES = /(?<=\d)_(?=\d)/g;
const HEXADECIMAL_UNDERSCORES = /(?<=[\da-fx])_(?=[\da-f])/gi;

/** Go's `strconv.ParseFloat`; undefined for what it refuses, including numbers out of range. */
function parseNumber(text: string): number | undefined {
  const underscores = /^[+-]?0x/i.test(text) ? HEXADECIMAL_UNDERSCORES : UNDERSCORES;
  const plain = text.includes("_") ? text.replace(underscores, "") : text;
  if (DECIMAL.test(plain)) {
    const value = Number(plain);
    return Number.isFinite(value) ? value : undefined;
  }
  const hexadecimal = HEXADECIMAL.exec(plain);
  if (hexadecimal) return hexadecimalNumber(hexadecimal);
  const infinite = INFINITE.exec(text);
  if (infinite) return infinite[1] === "-" ? -Infinity : Infinity;
  return /^nan$/i.test(text) ? NaN : undefined;
}

function hexadecimalNumber([, sign, whole, fraction, exponent]: RegExpExecArray): number | undefined {
  if (whole + fraction === "") return undefined;
  const value = Number(`0x${whole}${fraction}`) * 2 ** (Number(exponent) - 4 * fraction.length);
  if (!Number.isFinite(value)) return undefined;
  return sign === "-" ? -value : value;
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
