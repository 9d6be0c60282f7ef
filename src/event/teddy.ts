/** Encodes needles in the form that `assembly/find.ts` reads. */
import type { Needles } from "../plugin/index.js";
import { encodeFollow, wordOf } from "./follow.js";

const ANCHOR = 2;
const GROUPS = 8;
const BY_BYTE_AT = 2 * ANCHOR * 16;
const NEEDLES_AT = BY_BYTE_AT + 256 * 2;
const NEEDLE_BYTES = 28;

interface Anchored {
  readonly text: Buffer;
  readonly number: number;
  /** Offset of the anchor in the text. */
  readonly lead: number;
  /** The bit that stands for it in the tables. */
  readonly group: number;
}

/** Encodes a set of needles for this address. */
export function encodeNeedles({ texts, needles, anchors }: Needles, address: number): Buffer {
  const set = Buffer.alloc(NEEDLES_AT + texts.length * NEEDLE_BYTES);
  const beside = new Appendix(address + set.length);
  const anchored = texts.map((text, number) => anchor(text, number, anchors));
  anchored.sort((a, b) => a.text[a.lead] - b.text[b.lead]);
  for (const [index, needle] of anchored.entries()) {
    const { text, lead, number } = needle;
    encodeHalves(needle, set);
    const byByte = BY_BYTE_AT + 2 * text[lead];
    if (set[byByte + 1]++ === 0) set[byByte] = index;
    const first = text.subarray(lead, lead + 4);
    const { unless } = needles[number];
    const words = [
      ...[wordOf(first), wordOf(first.map(() => 0xff)), beside.add(text), text.length, lead, number],
      unless === undefined ? 0 : beside.add(encodeFollow(unless)),
    ];
    for (const [i, word] of words.entries()) set.writeUInt32LE(word, NEEDLES_AT + index * NEEDLE_BYTES + 4 * i);
  }
  return Buffer.concat([set, beside.bytes()]);
}

/** What follows the words of a set. */
class Appendix {
  readonly #parts: Buffer[] = [];

  constructor(private end: number) {}

  /** Returns the address at which the bytes will be. */
  add(bytes: Buffer): number {
    this.#parts.push(bytes);
    this.end += bytes.length;
    return this.end - bytes.length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Anchors a needle at the first of the anchors that it contains, or else at its beginning. */
function anchor(text: Buffer, number: number, anchors: Needles["anchors"]): Anchored {
  for (const [group, pairs] of anchors.entries()) {
    for (const pair of pairs) {
      const lead = text.indexOf(pair);
      if (lead >= 0) return { text, number, lead, group: group % GROUPS };
    }
  }
  return { text, number, lead: 0, group: number % GROUPS };
}

/** Adds the bytes of an anchor to the tables of a set. Behind the end of a short needle, any byte matches. */
function encodeHalves({ text, lead, group }: Anchored, set: Buffer): void {
  for (let place = 0; place < ANCHOR; place++) {
    const byte = text.at(lead + place);
    for (let half = 0; half < 16; half++) {
      const table = 32 * place + half;
      if (byte === undefined || (byte & 15) === half) set[table] |= 1 << group;
      if (byte === undefined || byte >> 4 === half) set[table + 16] |= 1 << group;
    }
  }
}
