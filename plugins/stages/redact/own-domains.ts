import {
  type Batch,
  CLOSE_BRACKET,
  COMMA,
  InnerKey,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
  sameBytes,
  skipSpace,
  valueEnd,
} from "../../../src/plugin/index.js";

const ITEMS = Buffer.from('"items"');
const NAMESPACE = new InnerKey("metadata", "namespace");

/**
 * The hash domains of places in a body in which each object has its own: the `metadata.namespace` of the body, or of the item in
 * its `items`. Places must be asked for in rising order. Keys are compared without decoding: a body with other escapes than Go's
 * own is walked instead.
 */
export class OwnDomains {
  /** The object asked for last. */
  #start = 0;
  #end = 0;
  #domain: string | undefined;
  /** The namespace read last, and its place. */
  #name = "";
  #nameStart = 0;
  #nameEnd = 0;
  /** One past the body's end while there may be more items; 0 if the body is not a list. */
  #itemsEnd = 0;
  /** The opening bracket of its items; -1 if it is not a list. */
  readonly #items: number;
  /** Whether the list may hand down a namespace that comes after its items. Undefined until it is needed. */
  #handsDown: boolean | undefined;

  constructor(
    private readonly batch: Batch,
    private readonly bytes: Buffer,
    start: number,
    private readonly bodyEnd: number,
  ) {
    this.#items = this.#itemsOf(start);
    if (this.#items < 0) this.#enter(start);
    // A list with a namespace of its own would hand that down.
    else if (!this.#holdsNamespace(start, this.#items)) {
      this.#end = this.#items + 1;
      this.#itemsEnd = bodyEnd;
    }
  }

  /** The domain of a place; undefined if only a walk can tell. */
  at(place: number): string | undefined {
    while (place >= this.#end && this.#end < this.#itemsEnd) this.#next();
    return place >= this.#start && place < this.#end ? this.#domain : undefined;
  }

  #next(): void {
    let start = this.#end;
    while (this.bytes[start] <= SPACE || this.bytes[start] === COMMA) start++;
    if (this.bytes[start] === CLOSE_BRACKET) this.#itemsEnd = 0;
    else this.#enter(start);
  }

  /** Moves to the object at `start`. */
  #enter(start: number): void {
    this.#start = start;
    if (this.bytes[start] !== OPEN_BRACE) {
      this.#domain = undefined;
      this.#end = Math.max(this.batch.valueEnd(start), start + 1);
      return;
    }
    const { end, start: namespace, stop, elsewhere } = this.batch.inner(start, NAMESPACE);
    this.#end = end;
    // An object inside it may have a domain of its own.
    if (elsewhere) this.#domain = undefined;
    else this.#domain = namespace === 0 ? this.#outer() : this.#namespaceAt(namespace, stop);
  }

  /** A list's items are sorted by namespace, so it is usually the same as before. */
  #namespaceAt(start: number, end: number): string {
    const { bytes } = this;
    const isLast = sameBytes(bytes, start, end, bytes, this.#nameStart, this.#nameEnd);
    if (!isLast) this.#name = this.#text(start, end);
    this.#nameStart = start;
    this.#nameEnd = end;
    return this.#name;
  }

  /** The domain of an object that names none. */
  #outer(): string | undefined {
    if (this.#items < 0) return "";
    this.#handsDown ??= this.#holdsNamespace(this.batch.valueEnd(this.#items), this.bodyEnd);
    return this.#handsDown ? undefined : "";
  }

  #holdsNamespace(start: number, end: number): boolean {
    return this.bytes.subarray(start, end).includes(NAMESPACE.inner);
  }

  #text(start: number, end: number): string {
    const text = this.bytes.toString("utf8", start + 1, end - 1);
    return text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text;
  }

  /** The opening bracket of the `items` of the object at `start`; -1 if it has none. */
  #itemsOf(start: number): number {
    const { bytes } = this;
    let at = skipSpace(bytes, start + 1);
    while (bytes[at] === QUOTE) {
      const value = skipSpace(bytes, skipSpace(bytes, valueEnd(bytes, at)) + 1);
      if (bytes[value] === OPEN_BRACKET && ITEMS.compare(bytes, at, at + ITEMS.length) === 0) return value;
      at = skipSpace(bytes, this.batch.valueEnd(value));
      if (bytes[at] !== COMMA) break;
      at = skipSpace(bytes, at + 1);
    }
    return -1;
  }
}
