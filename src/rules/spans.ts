import { BACKSLASH, QUOTE, sameBytes } from "../plugin/index.js";
import { isPlain, scalarText } from "./text.js";
import { compareNumbers, type TextTest, textTest } from "./text-test.js";
import { Outcome, type Test } from "./tree.js";

/**
 * A test of a scalar (not null) as it is in `bytes`, quotes included. It compares bytes where that gives the answer; a string with
 * escapes, and whatever else needs its text, goes through {@link textTest}.
 */
export type SpanTest = (bytes: Uint8Array, start: number, end: number) => Outcome;

const { no, yes } = Outcome;

export function spanTest(test: Exclude<Test, { op: "exists" }>, negated: boolean, textOf = scalarText): SpanTest {
  const slow = viaText(textTest(test, negated), textOf);
  const hit = negated ? no : yes;
  const miss = negated ? yes : no;
  switch (test.op) {
    case "equals":
      return isExact(test.text) ? equals(Buffer.from(test.text), hit, miss, slow) : slow;
    case "in":
      return test.texts.every(isExact) ? isIn(new ByteSet(test.texts), hit, miss, slow) : slow;
    case "contains":
      return isExact(test.text) ? contains(Buffer.from(test.text), hit, miss, slow) : slow;
    case "number":
      return (bytes, start, end) => {
        const value = smallInteger(bytes, start, end);
        if (value < 0) return slow(bytes, start, end);
        return compareNumbers(value, test.compare, test.value) ? hit : miss;
      };
    case "less":
    case "lessOrEqual":
    case "greater":
    case "greaterOrEqual":
      return isExact(test.text) ? ordered(test.op, Buffer.from(test.text), hit, miss, slow) : slow;
    default:
      return slow;
  }
}

const viaText =
  (test: TextTest, textOf: typeof scalarText): SpanTest =>
  (bytes, start, end) =>
    test(textOf(bytes, start, end));

/** False for a text that several byte sequences decode to: one with U+FFFD or lone surrogates. */
export function isExact(text: string): boolean {
  return !/[\ufffd\ud800-\udfff]/u.test(text);
}

function equals(literal: Uint8Array, hit: Outcome, miss: Outcome, slow: SpanTest): SpanTest {
  const { length } = literal;
  return (bytes, start, end) => {
    if (bytes[start] !== QUOTE) return slow(bytes, start, end);
    const last = end - 1;
    let i = start + 1;
    for (let j = 0; j < length && i < last; i++, j++) {
      const byte = bytes[i];
      if (byte === BACKSLASH) return slow(bytes, start, end);
      if (byte !== literal[j]) return miss;
    }
    return i === last && last - start - 1 === length ? hit : miss;
  };
}

function contains(literal: Uint8Array, hit: Outcome, miss: Outcome, slow: SpanTest): SpanTest {
  const { length } = literal;
  if (length === 0) return () => hit;
  const first = literal[0];
  return (bytes, start, end) => {
    if (bytes[start] !== QUOTE) return slow(bytes, start, end);
    const last = end - 1;
    let found = false;
    for (let i = start + 1; i < last; i++) {
      const byte = bytes[i];
      if (byte === BACKSLASH) return slow(bytes, start, end);
      if (byte !== first || found || i + length > last) continue;
      let j = 1;
      while (j < length && bytes[i + j] === literal[j]) j++;
      found = j === length;
    }
    return found ? hit : miss;
  };
}

/** For each order of value and text (before, same, after), whether the comparison holds. */
const ORDERS = {
  less: [true, false, false],
  lessOrEqual: [true, true, false],
  greater: [false, false, true],
  greaterOrEqual: [false, true, true],
} as const;

function ordered(op: keyof typeof ORDERS, literal: Uint8Array, hit: Outcome, miss: Outcome, slow: SpanTest): SpanTest {
  const [before, same, after] = ORDERS[op].map((holds) => (holds ? hit : miss));
  return (bytes, start, end) => {
    if (bytes[start] !== QUOTE) return slow(bytes, start, end);
    const last = end - 1;
    for (let i = start + 1, j = 0; i < last; i++, j++) {
      const byte = bytes[i];
      if (byte === BACKSLASH || byte > 0x7f) return slow(bytes, start, end);
      if (j === literal.length) return after;
      if (byte !== literal[j]) return byte < literal[j] ? before : after;
    }
    return last - start - 1 === literal.length ? same : before;
  };
}

function isIn(literals: ByteSet, hit: Outcome, miss: Outcome, slow: SpanTest): SpanTest {
  return (bytes, start, end) => {
    if (bytes[start] !== QUOTE) return slow(bytes, start, end);
    if (!isPlain(bytes, start, end)) return slow(bytes, start, end);
    return end - start - 2 <= literals.longest && literals.has(bytes, start + 1, end - 1) ? hit : miss;
  };
}

/** The value of a number token of at most 15 digits and nothing else; otherwise -1. */
function smallInteger(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 15) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i] - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** FNV-1a over bytes [start, end). */
function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash ^ (hash >>> 15);
}

/** A fixed set of texts that can be looked up by bytes. */
class ByteSet {
  /** Length of the longest text in bytes. */
  readonly longest: number;
  private readonly slots: (Uint8Array | undefined)[];
  private readonly mask: number;

  constructor(texts: readonly string[]) {
    const literals = [...new Set(texts)].map((text) => Buffer.from(text));
    this.longest = literals.reduce((most, { length }) => Math.max(most, length), 0);
    this.mask = 2 ** Math.ceil(Math.log2(literals.length * 2 + 1)) - 1;
    this.slots = new Array(this.mask + 1).fill(undefined);
    for (const literal of literals) {
      let slot = hashBytes(literal, 0, literal.length) & this.mask;
      while (this.slots[slot]) slot = (slot + 1) & this.mask;
      this.slots[slot] = literal;
    }
  }

  has(bytes: Uint8Array, start: number, end: number): boolean {
    for (let slot = hashBytes(bytes, start, end) & this.mask; ; slot = (slot + 1) & this.mask) {
      const literal = this.slots[slot];
      if (literal === undefined) return false;
      if (sameBytes(bytes, start, end, literal)) return true;
    }
  }
}
