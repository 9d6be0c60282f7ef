/** Needles as `assembly/find.ts` reads them. */

const ANCHOR = 3;
const GROUPS = 8;
const TABLES_BYTES = 6 * 16;
const NEEDLES_AT = TABLES_BYTES + GROUPS * 8;
const NEEDLE_BYTES = 16;

/** The bytes of JSON from the most frequent on, roughly: anchors are made of others where possible. */
const FREQUENT = Buffer.from('"e:ta,oinrsc.lmpu-d/0fvk1{}2yhbgS3');

interface Anchored {
  readonly text: Buffer;
  readonly number: number;
  /** Offset of the anchor in the text. */
  readonly lead: number;
}

/** A set of needles, to lie at `address`. */
export function encodeNeedles(texts: readonly Buffer[], address: number): Buffer {
  const needles = texts.map((text, number) => ({ text, number, lead: rarest(text) })).sort(byAnchor);
  const textsAt = NEEDLES_AT + needles.length * NEEDLE_BYTES;
  const set = Buffer.alloc(textsAt + texts.reduce((sum, { length }) => sum + length, 0));
  let at = textsAt;
  for (const [index, { text, number, lead }] of needles.entries()) {
    set.set(text, at);
    const words = [address + at, text.length, lead, number];
    for (const [i, word] of words.entries()) set.writeUInt32LE(word, NEEDLES_AT + index * NEEDLE_BYTES + 4 * i);
    at += text.length;
  }
  for (let group = 0; group < GROUPS; group++) {
    const [first, last] = [group, group + 1].map((g) => Math.floor((g * needles.length) / GROUPS));
    set.writeUInt32LE(first, TABLES_BYTES + group * 8);
    set.writeUInt32LE(last, TABLES_BYTES + group * 8 + 4);
    for (const needle of needles.slice(first, last)) addAnchor(set, needle, 1 << group);
  }
  return set;
}

function addAnchor(set: Buffer, { text, lead }: Anchored, bit: number): void {
  for (let i = 0; i < ANCHOR; i++) {
    const byte = text[lead + i];
    for (let half = 0; half < 16; half++) {
      // Behind the end of a short needle, any byte will do.
      if (byte === undefined || half === (byte & 15)) set[32 * i + half] |= bit;
      if (byte === undefined || half === byte >> 4) set[32 * i + 16 + half] |= bit;
    }
  }
}

/** Like anchors side by side: a group of like ones lets less else through. */
function byAnchor(a: Anchored, b: Anchored): number {
  const key = ({ text, lead }: Anchored) => Buffer.from(text.subarray(lead, lead + ANCHOR)).reverse();
  return Buffer.compare(key(a), key(b));
}

/** Where the three bytes begin that occur least. */
function rarest(text: Buffer): number {
  let best = 0;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (let at = 0; at + ANCHOR <= text.length; at++) {
    const score = text.subarray(at, at + ANCHOR).reduce((sum, byte) => sum + rarity(byte), 0);
    if (score > bestScore) {
      best = at;
      bestScore = score;
    }
  }
  return best;
}

function rarity(byte: number): number {
  const rank = FREQUENT.indexOf(byte);
  return rank < 0 ? FREQUENT.length : rank;
}
