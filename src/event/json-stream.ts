import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  DOT,
  MINUS,
  NINE,
  OPEN_BRACE,
  OPEN_BRACKET,
  PLUS,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
  ZERO,
} from "../plugin/index.js";
import { ESCAPED, HEX, MAX_DEPTH, PLAIN } from "./json.js";

/** What a {@link JsonStream} reports about the members of the outermost object. Offsets are in the bytes added last. */
export interface OuterMembers {
  /** A key begins, with its quote, at `at`. */
  keyBegins(at: number): void;
  /** The key ended before `at`. */
  keyEnds(at: number): void;
  /** The member's value ended before `at`. */
  valueEnds(at: number): void;
}

/** What may come next. */
enum Expect {
  /** The object itself. */
  object,
  value,
  valueOrEnd,
  key,
  keyOrEnd,
  colon,
  commaOrEnd,
  /** Inside a string. */
  string,
  escape,
  hex,
  /** The rest of `true`, `false` or `null`. */
  literal,
  /** Inside a number, after its… */
  minus,
  zero,
  integer,
  point,
  fraction,
  exponent,
  exponentSign,
  exponentDigits,
  /** Nothing but white space. */
  nothing,
}

const LITERALS = new Map(["true", "false", "null"].map((text) => [text.charCodeAt(0), Buffer.from(text)]));
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** Reads one JSON object (RFC 8259, as strictly as `json.ts`) in pieces that may be cut anywhere. Keeps none of its bytes. */
export class JsonStream {
  /** True once the text is known not to be JSON, or to be nested too deep. */
  failed = false;
  readonly #outer: OuterMembers;
  #expect = Expect.object;
  /** The closing bytes of the containers that are open. */
  #closing = new Uint8Array(64);
  #depth = 0;
  /** The current string is a key. */
  #isKey = false;
  /** Hex digits of an escape still to come. */
  #digits = 0;
  #literal = Buffer.alloc(0);
  /** How many bytes of the literal, or of a byte order mark, have been seen. */
  #matched = 0;

  constructor(outer: OuterMembers) {
    this.#outer = outer;
  }

  /** True if the object is complete. */
  get complete(): boolean {
    return !this.failed && this.#expect === Expect.nothing;
  }

  add(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length && !this.failed; ) {
      i = this.#expect === Expect.string ? this.#string(bytes, i) : this.#step(bytes[i], i);
    }
  }

  /** Reads to the end of the string, or of the bytes. */
  #string(bytes: Uint8Array, i: number): number {
    const { length } = bytes;
    while (i < length && PLAIN[bytes[i]] === 1) i++;
    if (i === length) return i;
    const byte = bytes[i++];
    if (byte === BACKSLASH) this.#expect = Expect.escape;
    else if (byte !== QUOTE) this.failed = true;
    else if (!this.#isKey) this.#valueEnded(i);
    else {
      this.#expect = Expect.colon;
      if (this.#depth === 1) this.#outer.keyEnds(i);
    }
    return i;
  }

  /** Processes the byte at `i`; returns where to go on. That is `i` itself if the byte only ended a number. */
  #step(byte: number, i: number): number {
    switch (this.#expect) {
      case Expect.escape:
        if (byte === 0x75) this.#digits = 4;
        else if (ESCAPED[byte] !== 1) this.failed = true;
        this.#expect = byte === 0x75 ? Expect.hex : Expect.string;
        return i + 1;
      case Expect.hex:
        if (HEX[byte] !== 1) this.failed = true;
        if (--this.#digits === 0) this.#expect = Expect.string;
        return i + 1;
      case Expect.literal:
        if (byte !== this.#literal[this.#matched++]) this.failed = true;
        if (this.#matched === this.#literal.length) this.#valueEnded(i + 1);
        return i + 1;
      default:
        return this.#expect >= Expect.minus && this.#expect <= Expect.exponentDigits
          ? this.#number(byte, i)
          : this.#structure(byte, i);
    }
  }

  #structure(byte: number, i: number): number {
    if (byte === SPACE || byte === TAB || byte === RETURN) return i + 1;
    switch (this.#expect) {
      case Expect.object:
        this.#start(byte);
        break;
      case Expect.valueOrEnd:
        if (byte === CLOSE_BRACKET) this.#close(i);
        else this.#value(byte);
        break;
      case Expect.value:
        this.#value(byte);
        break;
      case Expect.keyOrEnd:
        if (byte === CLOSE_BRACE) this.#close(i);
        else this.#key(byte, i);
        break;
      case Expect.key:
        this.#key(byte, i);
        break;
      case Expect.colon:
        if (byte !== COLON) this.failed = true;
        this.#expect = Expect.value;
        break;
      case Expect.commaOrEnd:
        if (byte === COMMA) this.#expect = this.#closing[this.#depth - 1] === CLOSE_BRACE ? Expect.key : Expect.value;
        else if (byte === this.#closing[this.#depth - 1]) this.#close(i);
        else this.failed = true;
        break;
      default:
        this.failed = true;
    }
    return i + 1;
  }

  /** Before the object: NULs of a hole in the file, a byte order mark. */
  #start(byte: number): void {
    if (byte === OPEN_BRACE && this.#matched % BYTE_ORDER_MARK.length === 0) this.#open(CLOSE_BRACE);
    else if (byte === BYTE_ORDER_MARK[this.#matched]) this.#matched++;
    else if (byte !== 0 || this.#matched > 0) this.failed = true;
  }

  #key(byte: number, i: number): void {
    if (byte !== QUOTE) this.failed = true;
    this.#isKey = true;
    this.#expect = Expect.string;
    if (this.#depth === 1) this.#outer.keyBegins(i);
  }

  #value(byte: number): void {
    if (byte === QUOTE) {
      this.#isKey = false;
      this.#expect = Expect.string;
    } else if (byte === OPEN_BRACE) this.#open(CLOSE_BRACE);
    else if (byte === OPEN_BRACKET) this.#open(CLOSE_BRACKET);
    else if (byte === MINUS) this.#expect = Expect.minus;
    else if (byte === ZERO) this.#expect = Expect.zero;
    else if (byte > ZERO && byte <= NINE) this.#expect = Expect.integer;
    else this.#beginLiteral(byte);
  }

  #beginLiteral(byte: number): void {
    const literal = LITERALS.get(byte);
    this.failed = literal === undefined;
    this.#literal = literal ?? this.#literal;
    this.#matched = 1;
    this.#expect = Expect.literal;
  }

  #number(byte: number, i: number): number {
    const next = this.#afterDigits(byte);
    if (next !== undefined) {
      this.#expect = next;
      return i + 1;
    }
    const { minus, point, exponent, exponentSign } = Expect;
    if ([minus, point, exponent, exponentSign].includes(this.#expect)) this.failed = true;
    else this.#valueEnded(i);
    return i;
  }

  /** The state after one more byte of the number; undefined if the byte is not part of it. */
  #afterDigits(byte: number): Expect | undefined {
    const isDigit = byte >= ZERO && byte <= NINE;
    const isExponent = byte === 0x65 || byte === 0x45;
    switch (this.#expect) {
      case Expect.minus:
        return byte === ZERO ? Expect.zero : isDigit ? Expect.integer : undefined;
      case Expect.zero:
      case Expect.integer:
        if (isDigit) return this.#expect === Expect.integer ? Expect.integer : undefined;
        return byte === DOT ? Expect.point : isExponent ? Expect.exponent : undefined;
      case Expect.point:
      case Expect.fraction:
        if (isDigit) return Expect.fraction;
        return isExponent && this.#expect === Expect.fraction ? Expect.exponent : undefined;
      case Expect.exponent:
        if (byte === PLUS || byte === MINUS) return Expect.exponentSign;
        return isDigit ? Expect.exponentDigits : undefined;
      default:
        return isDigit ? Expect.exponentDigits : undefined;
    }
  }

  #open(closing: number): void {
    if (this.#depth === MAX_DEPTH) {
      this.failed = true;
      return;
    }
    if (this.#depth === this.#closing.length) {
      const deeper = new Uint8Array(Math.min(this.#depth * 2, MAX_DEPTH));
      deeper.set(this.#closing);
      this.#closing = deeper;
    }
    this.#closing[this.#depth++] = closing;
    this.#expect = closing === CLOSE_BRACE ? Expect.keyOrEnd : Expect.valueOrEnd;
  }

  #close(i: number): void {
    this.#depth--;
    if (this.#depth === 0) this.#expect = Expect.nothing;
    else this.#valueEnded(i + 1);
  }

  #valueEnded(at: number): void {
    this.#expect = Expect.commaOrEnd;
    if (this.#depth === 1) this.#outer.valueEnds(at);
  }
}
