import { OPEN_BRACE, QUOTE } from "./ascii.js";
import { memberSpans, valueEnd } from "./json.js";

/** A member of a member of an object: `metadata.namespace`. Keys are compared as they stand. */
export class InnerKey {
  /** With their quotes. */
  readonly outer: Buffer;
  readonly inner: Buffer;

  /** Neither name may need escaping. */
  constructor(outer: string, inner: string) {
    this.outer = Buffer.from(`"${outer}"`);
    this.inner = Buffer.from(`"${inner}"`);
  }
}

/** What {@link findInner} finds. */
export interface Inner {
  /** One past the object's last byte. */
  end: number;
  /**
   * The value; (0, 0) if there is none. Of each outer member, the last inner one counts, if it is a non-empty string; of several
   * outer members, the last that has such a one.
   */
  start: number;
  stop: number;
  /** The inner key, or a text like it, also occurs elsewhere in the object. */
  elsewhere: boolean;
}

/** Looks up the key in the object at `at` of valid JSON. */
export function findInner(bytes: Buffer, at: number, key: InnerKey, found: Inner): void {
  let direct = 0;
  found.start = found.stop = 0;
  found.end = valueEnd(bytes, at);
  for (const outer of memberSpans(bytes, at)) {
    if (!isAt(bytes, outer.key, key.outer) || bytes[outer.start] !== OPEN_BRACE) continue;
    let last = { start: 0, stop: 0 };
    for (const inner of memberSpans(bytes, outer.start)) {
      if (!isAt(bytes, inner.key, key.inner)) continue;
      direct++;
      last = { start: inner.start, stop: inner.end };
    }
    if (bytes[last.start] === QUOTE && last.stop - last.start > 2) Object.assign(found, last);
  }
  let occurrences = 0;
  const object = bytes.subarray(at, found.end);
  for (let place = object.indexOf(key.inner); place >= 0; place = object.indexOf(key.inner, place + 1)) occurrences++;
  found.elsewhere = occurrences > direct;
}

const isAt = (bytes: Buffer, at: number, text: Buffer): boolean =>
  text.compare(bytes, at, Math.min(at + text.length, bytes.length)) === 0;
