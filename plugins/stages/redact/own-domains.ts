import { type Batch, skipSpace, valueEnd } from "../../../src/plugin/index.js";

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const SPACE = 0x20;
const ITEMS = Buffer.from('"items"');
const METADATA = Buffer.from('"metadata"');
const NAMESPACE = Buffer.from('"namespace"');

/**
 * The hash domains of the places in a body whose objects each have their own: `metadata.namespace` of the body, or of the item
 * of its `items`. Places are asked for in rising order. Keys are compared as they stand: a body with other escapes than
 * Go's own is walked.
 */
export class OwnDomains {
  /** The object that was asked for last. */
  #start = 0;
  #end = 0;
  #domain: string | undefined;
  /** One past the body's end as long as there may be more items; 0 if it is no list. */
  #bodyEnd = 0;

  constructor(
    private readonly batch: Batch,
    private readonly bytes: Buffer,
    start: number,
    end: number,
  ) {
    const items = this.#itemsOf(start);
    if (items < 0) this.#enter(start);
    // A list with a namespace of its own would hand it down.
    else if (!this.#holds(NAMESPACE, start, items)) {
      this.#end = items + 1;
      this.#bodyEnd = end;
    }
  }

  /** The domain at a place; undefined if only a walk can tell. */
  at(place: number): string | undefined {
    while (place >= this.#end && this.#end < this.#bodyEnd) this.#next();
    return place >= this.#start && place < this.#end ? this.#domain : undefined;
  }

  #next(): void {
    let start = this.#end;
    while (this.bytes[start] <= SPACE || this.bytes[start] === COMMA) start++;
    if (this.bytes[start] === CLOSE_BRACKET) this.#bodyEnd = 0;
    else this.#enter(start);
  }

  /** Turns to the object at `start`. */
  #enter(start: number): void {
    const { bytes } = this;
    this.#start = start;
    this.#domain = undefined;
    if (bytes[start] !== OPEN_BRACE) {
      this.#end = Math.max(this.batch.valueEnd(start), start + 1);
      return;
    }
    let domain = "";
    let elsewhere = start;
    let nested = false;
    this.#end = this.#eachMember(start, (key, value, end) => {
      if (!isAt(bytes, key, METADATA) || bytes[value] !== OPEN_BRACE) return;
      this.#eachMember(value, (inner, text, textEnd) => {
        if (isAt(bytes, inner, NAMESPACE)) domain = textOf(bytes, text, textEnd) || domain;
      });
      nested ||= this.#holds(NAMESPACE, elsewhere, value);
      elsewhere = end;
    });
    // An object within may have a domain of its own.
    if (!nested && !this.#holds(NAMESPACE, elsewhere, this.#end)) this.#domain = domain;
  }

  #holds(name: Buffer, start: number, end: number): boolean {
    return this.bytes.subarray(start, end).includes(name);
  }

  /** The opening bracket of the `items` of the object at `start`; -1 if it has none. */
  #itemsOf(start: number): number {
    const { bytes } = this;
    let at = skipSpace(bytes, start + 1);
    while (bytes[at] === QUOTE) {
      const value = skipSpace(bytes, skipSpace(bytes, valueEnd(bytes, at)) + 1);
      if (isAt(bytes, at, ITEMS) && bytes[value] === OPEN_BRACKET) return value;
      at = skipSpace(bytes, this.batch.valueEnd(value));
      if (bytes[at] !== COMMA) break;
      at = skipSpace(bytes, at + 1);
    }
    return -1;
  }

  /** Calls with the offset of each key's opening quote and its value's span; returns the object's end. */
  #eachMember(start: number, visit: (key: number, value: number, valueEnds: number) => void): number {
    const { bytes } = this;
    let at = skipSpace(bytes, start + 1);
    while (bytes[at] === QUOTE) {
      const value = skipSpace(bytes, skipSpace(bytes, valueEnd(bytes, at)) + 1);
      const end = this.batch.valueEnd(value);
      visit(at, value, end);
      at = skipSpace(bytes, end);
      if (bytes[at] !== COMMA) break;
      at = skipSpace(bytes, at + 1);
    }
    return at + 1;
  }
}

function isAt(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}

function textOf(bytes: Buffer, start: number, end: number): string {
  const value: unknown = JSON.parse(bytes.toString("utf8", start, end));
  return typeof value === "string" ? value : "";
}
