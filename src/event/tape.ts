import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  Kind,
  kindOf,
  NEWLINE,
  NODE_WORDS,
  Node,
  NodeFlag,
  OPEN_BRACE,
  OPEN_BRACKET,
  type OpenTape,
  QUOTE,
  SPACE,
  type Tape,
} from "../plugin/index.js";
import { afterString, asBuffer, decode, decodeContent, lexer, scalarEnd, skipSpace, stringEnd } from "./json.js";

/** Most nodes of one tape. */
export const MAX_NODES = 1_000_000;
/** Initial room for nodes; many tapes hold a single short value. */
const FIRST_NODES = 16;
const NO_BYTES = Buffer.alloc(0);

/** A tape over one array of bytes. Several of its values can be appended, each with its own root. */
export class SpanTape implements Tape {
  bytes: Buffer = NO_BYTES;
  words = new Uint32Array(FIRST_NODES * NODE_WORDS);
  /** Nodes in use. */
  count = 0;
  /** Indices of the containers that are open in `append`. */
  private open = new Uint32Array(16);

  /** Removes all values, and frees the memory if it is larger than `keep` nodes. */
  reset(bytes: Buffer, keep = 65_536): void {
    this.bytes = bytes;
    this.count = 0;
    if (this.words.length > keep * NODE_WORDS) this.words = new Uint32Array(FIRST_NODES * NODE_WORDS);
  }

  /**
   * Appends the value in [start, end) of `text`, which may only be surrounded by white space. Returns its root, or -1 if it is not
   * valid JSON or there is no room for it. At `end` there must be a byte that no token can run over. `shift` is added to every
   * offset: it is the place of `text` in {@link bytes}.
   */
  append(text: Uint8Array, start: number, end: number, shift = 0): number {
    const root = this.count;
    lexer.escapeAt = -1;
    const after = this.build(text, skipBlank(text, start), shift);
    // White space may go on behind `end`: in lines that are not compact it follows a member's value.
    if (after >= 0 && after <= end && skipBlank(text, after) >= end) return root;
    this.count = root;
    return -1;
  }

  /** Iterative: the indices of the `depth` open containers are on a stack. */
  private build(text: Uint8Array, i: number, shift: number): number {
    let depth = 0;
    let keyStart = 0;
    let keyEnd = 0;
    let keyFlag = 0;
    for (;;) {
      if (this.count === MAX_NODES) return -1;
      const byte = text[i];
      const node = this.add(kindOf(byte) | keyFlag, keyStart, keyEnd, i + shift);
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        this.push(depth++, node);
        i = skipBlank(text, i + 1);
      } else {
        i = byte === QUOTE ? afterString(text, i) : scalarEnd(text, i);
        if (i < 0) return -1;
        if (byte === QUOTE && lexer.escapeAt >= this.words[node * NODE_WORDS + Node.start] - shift)
          this.words[node * NODE_WORDS + Node.kind] |= NodeFlag.escaped;
        this.close(node, i + shift);
        if (depth === 0) return i;
        i = skipBlank(text, i);
      }

      // Behind an opening bracket or a value in a container: close containers, or go on to the next value.
      for (;;) {
        const container = this.open[depth - 1];
        const isObject = (this.words[container * NODE_WORDS + Node.kind] & 0xff) === Kind.object;
        const isFirst = this.count === container + 1;
        if (text[i] === (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
          i++;
          this.close(container, i + shift);
          if (--depth === 0) return i;
          i = skipBlank(text, i);
          continue;
        }
        if (!isFirst) {
          if (text[i] !== COMMA) return -1;
          i = skipBlank(text, i + 1);
        }
        keyStart = keyEnd = keyFlag = 0;
        if (isObject) {
          if (text[i] !== QUOTE) return -1;
          const key = i + 1;
          i = stringEnd(text, key);
          if (i < 0) return -1;
          keyStart = key + shift;
          keyEnd = i + shift;
          if (lexer.escapeAt >= key) keyFlag = NodeFlag.keyEscaped;
          i = skipBlank(text, i + 1);
          if (text[i] !== COLON) return -1;
          i = skipBlank(text, i + 1);
        }
        break;
      }
    }
  }

  private add(kind: number, keyStart: number, keyEnd: number, start: number): number {
    const node = this.count++;
    const at = node * NODE_WORDS;
    if (at === this.words.length) {
      const grown = new Uint32Array(Math.min(this.words.length * 2, MAX_NODES * NODE_WORDS));
      grown.set(this.words);
      this.words = grown;
    }
    const { words } = this;
    words[at + Node.kind] = kind;
    words[at + Node.keyStart] = keyStart;
    words[at + Node.keyEnd] = keyEnd;
    words[at + Node.start] = start;
    return node;
  }

  /** Completes a node, after everything below it. */
  private close(node: number, end: number): void {
    this.words[node * NODE_WORDS + Node.end] = end;
    this.words[node * NODE_WORDS + Node.next] = this.count;
  }

  private push(depth: number, node: number): void {
    if (depth === this.open.length) {
      const grown = new Uint32Array(depth * 2);
      grown.set(this.open);
      this.open = grown;
    }
    this.open[depth] = node;
  }

  kind(node: number): Kind {
    return this.words[node * NODE_WORDS + Node.kind] & 0xff;
  }

  start(node: number): number {
    return this.words[node * NODE_WORDS + Node.start];
  }

  end(node: number): number {
    return this.words[node * NODE_WORDS + Node.end];
  }

  next(node: number): number {
    return this.words[node * NODE_WORDS + Node.next];
  }

  keyIs(node: number, key: string): boolean {
    const { words, bytes } = this;
    const at = node * NODE_WORDS;
    const start = words[at + Node.keyStart];
    if (start === 0) return false;
    if ((words[at + Node.kind] & NodeFlag.keyEscaped) !== 0) return this.key(node) === key;
    const { length } = key;
    // In bytes, UTF-8 is never shorter than UTF-16 in units.
    if (words[at + Node.keyEnd] - start < length) return false;
    for (let i = 0; i < length; i++) {
      const code = key.charCodeAt(i);
      if (code > 0x7f) return this.key(node) === key;
      if (bytes[start + i] !== code) return false;
    }
    return words[at + Node.keyEnd] - start === length;
  }

  key(node: number): string {
    const at = node * NODE_WORDS;
    return decodeContent(this.bytes, this.words[at + Node.keyStart], this.words[at + Node.keyEnd]);
  }

  text(node: number): string {
    return decode(this.bytes, this.start(node), this.end(node));
  }

  member(node: number, key: string): number {
    if (this.kind(node) !== Kind.object) return -1;
    const end = this.next(node);
    let found = -1;
    for (let child = node + 1; child < end; child = this.next(child)) if (this.keyIs(child, key)) found = child;
    return found;
  }
}

/** Like `skipSpace`, but also skips line breaks. */
function skipBlank(text: Uint8Array, i: number): number {
  while (text[i] <= SPACE) {
    const next = skipSpace(text, i);
    if (text[next] !== NEWLINE) return next;
    i = next + 1;
  }
  return i;
}

/** Texts are copied here so that a NUL follows them. */
let scratch = Buffer.alloc(0);
const KEPT_SCRATCH = 1 << 20;

export const openTape: OpenTape = (bytes, start, end) => {
  const length = end - start;
  if (scratch.length <= length) scratch = Buffer.allocUnsafeSlow(Math.max(4096, 2 * length));
  scratch.set(bytes.subarray(start, end));
  scratch[length] = 0;
  const tape = new SpanTape();
  tape.reset(asBuffer(bytes));
  const root = tape.append(scratch, 0, length, start);
  if (scratch.length > KEPT_SCRATCH) scratch = Buffer.alloc(0);
  return root < 0 ? undefined : { tape, root };
};
