import { BACKSLASH, QUOTE } from "../plugin/index.js";
import { NumberedSets } from "./numbered-sets.js";
import { isExact } from "./spans.js";

/** A text to look for; with `begins` only at the start of a string, with `ends` only at its end. */
export interface Needle {
  readonly text: string;
  readonly begins: boolean;
  readonly ends: boolean;
}

/** The symbol for a quote that delimits a string, as opposed to an escaped one inside it. */
const EDGE = 256;
/** The class of a backslash, which starts an escape and is no symbol itself. */
const ESCAPE = 255;
/**
 * The class of bytes that a case-insensitive automaton gives up on: all non-ASCII ones, because the lower case of a non-ASCII
 * letter may be ASCII.
 */
const OPAQUE = 254;
const MAX_STATES = 16_384;
const MAX_CLASSES = 200;
const FOUND = 1 << 31;
const UNKNOWN = -1;
/** What each one-letter escape stands for, by the code of its letter. */
const SIMPLE = new Map([...'"\\/bfnrt'].map((letter, i) => [letter.charCodeAt(0), '"\\/\b\f\n\r\t'.charCodeAt(i)]));

/**
 * Finds which of many texts occur in a piece of JSON, in one pass over its bytes, however they are escaped (the Aho–Corasick
 * automaton). Each set of needles that occurs together has a number; 0 is the empty set.
 */
export class Automaton {
  /** The needles as bytes of JSON. */
  readonly texts: Buffer[] = [];
  private readonly needles = new Map<string, number>();
  /** For each state, its transitions by symbol class. Emptied by the first run. */
  private readonly trie: Map<number, number>[] = [new Map()];
  /** For each state, the needles that end there. */
  private readonly found: number[][] = [[]];
  /**
   * The class of a byte; 0 if no needle holds it. `raw` is for bytes as they are in JSON, `decoded` for the bytes that an escape
   * stands for.
   */
  private readonly raw = new Uint8Array(256);
  private readonly decoded = new Uint8Array(256);
  /** 1 for each byte of JSON that no needle begins with. */
  private readonly passes = new Uint8Array(256);
  private width = 1;
  private edge = 0;
  /**
   * The transition table, indexed by state (a multiple of `width`) plus class: the next state, also a multiple of `width`, with
   * {@link FOUND} set if needles end there.
   */
  private table: Int32Array | undefined;
  private readonly sets = new NumberedSets();

  /** @param anyCase ignore case: needles must be in lower case, and a value that is not all ASCII gets no answer */
  constructor(private readonly anyCase = false) {}

  /** Allowed only before the first run. Returns the needle's number, or -1 if it cannot be looked for or there is no room for it. */
  add(needle: Needle): number {
    const { text, begins, ends } = needle;
    const key = `${begins}${ends}${text}`;
    const known = this.needles.get(key);
    if (known !== undefined) return known;
    const symbols = [...(begins ? [EDGE] : []), ...Buffer.from(text), ...(ends ? [EDGE] : [])];
    const isFull = this.trie.length + symbols.length > MAX_STATES || this.width + symbols.length > MAX_CLASSES;
    if (symbols.length === 0 || isFull || !isExact(text) || (this.anyCase && !IS_LOWER.test(text))) return -1;
    const number = this.needles.size;
    this.needles.set(key, number);
    this.texts.push(Buffer.from(symbols.map((symbol) => (symbol === EDGE ? QUOTE : symbol))));
    let state = 0;
    for (const symbol of symbols) {
      const symbolClass = this.classOf(symbol);
      let next = this.trie[state].get(symbolClass);
      if (next === undefined) {
        next = this.trie.push(new Map()) - 1;
        this.found.push([]);
        this.trie[state].set(symbolClass, next);
      }
      state = next;
    }
    this.found[state].push(number);
    return number;
  }

  /**
   * The number of the set of needles that occur in the JSON value at bytes [start, end), or -1 if that cannot be told. A value with
   * an escaped NUL gets -1, because to some tests a NUL ends the text.
   */
  run(bytes: Uint8Array, start: number, end: number): number {
    const table = this.table ?? this.build();
    const { raw, passes } = this;
    let state = 0;
    let set = 0;
    for (let i = start; i < end; i++) {
      if (state === 0) {
        while (i < end && passes[bytes[i]] === 1) i++;
        if (i === end) break;
      }
      const symbolClass = raw[bytes[i]];
      if (symbolClass < OPAQUE) state = table[state + symbolClass];
      else if (symbolClass === OPAQUE) return UNKNOWN;
      else {
        const code = escaped(bytes, i);
        if (code <= 0 || (code >= 0x80 && this.anyCase)) return UNKNOWN;
        state = code < 0x80 ? table[state + this.decoded[code]] : this.follow(table, state, code);
        i += bytes[i + 1] === LOWER_U ? 5 : 1;
      }
      if (state < 0) {
        state &= ~FOUND;
        set = this.sets.union(set, state, this.found[state / this.width]);
        if (set < 0) return UNKNOWN;
      }
    }
    return set;
  }

  /**
   * The state after an escaped character of several bytes in UTF-8. No needle ends within a character, so only the last state
   * counts.
   */
  private follow(table: Int32Array, from: number, code: number): number {
    let state = from;
    for (const byte of Buffer.from(String.fromCharCode(code))) state = table[(state & ~FOUND) + this.decoded[byte]];
    return state;
  }

  has(set: number, needle: number): boolean {
    return this.sets.has(set, needle);
  }

  private classOf(symbol: number): number {
    const known = symbol === EDGE ? this.edge : this.decoded[symbol];
    if (known !== 0) return known;
    const added = this.width++;
    if (symbol === EDGE) this.edge = added;
    else this.decoded[symbol] = added;
    return added;
  }

  /** Builds the table breadth first. Where a state has no transition, it inherits that of its longest suffix that is also a state. */
  private build(): Int32Array {
    const { trie, found, width } = this;
    const table = new Int32Array(trie.length * width);
    const suffixes = new Uint32Array(trie.length);
    const order = [0];
    for (const state of order) {
      const suffix = suffixes[state];
      if (state !== 0) for (const needle of found[suffix]) found[state].push(needle);
      for (let symbolClass = 0; symbolClass < width; symbolClass++) {
        const inherited = state === 0 ? 0 : table[suffix * width + symbolClass] / width;
        const next = trie[state].get(symbolClass);
        if (next !== undefined) {
          suffixes[next] = inherited;
          order.push(next);
        }
        table[state * width + symbolClass] = (next ?? inherited) * width;
      }
    }
    for (let i = 0; i < table.length; i++) if (found[table[i] / width].length > 0) table[i] |= FOUND;
    if (this.anyCase) for (let upper = 0x41; upper <= 0x5a; upper++) this.decoded[upper] = this.decoded[upper | 0x20];
    this.raw.set(this.decoded);
    this.raw[QUOTE] = this.edge;
    this.raw[BACKSLASH] = ESCAPE;
    for (let byte = 0; byte < 256; byte++) if (table[this.raw[byte]] === 0) this.passes[byte] = 1;
    this.passes[BACKSLASH] = 0;
    if (this.anyCase) {
      this.raw.fill(OPAQUE, 0x80);
      this.passes.fill(0, 0x80);
    }
    this.trie.length = 0;
    this.table = table;
    return table;
  }
}

const LOWER_U = 0x75;
/** ASCII without upper-case letters. */
const IS_LOWER = /^[\x20-@[-\x7f]*$/;

/** The character code that the escape at `at` stands for; -1 for half of a surrogate pair and for an invalid escape. */
export function escaped(bytes: Uint8Array, at: number): number {
  if (bytes[at + 1] !== LOWER_U) return SIMPLE.get(bytes[at + 1]) ?? -1;
  let code = 0;
  for (let i = at + 2; i < at + 6; i++) {
    const digit = hexDigit(bytes[i]);
    if (digit < 0) return -1;
    code = code * 16 + digit;
  }
  return code >= 0xd800 && code <= 0xdfff ? -1 : code;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
