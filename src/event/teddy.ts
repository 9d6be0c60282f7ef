/** Needles as `assembly/find.ts` reads them. */
import type { Needles } from "../plugin/index.js";
import { encodeFollow, wordOf } from "./follow.js";

const ANCHOR = 3;
const GROUPS = 8;
const BY_BYTE_AT = 6 * 16;
const NEEDLES_AT = BY_BYTE_AT + 256 * 2;
const NEEDLE_BYTES = 28;

/** How often bytes occur in audit events, of a thousand (measured on logs of real API servers); all others 0.3. */
const FREQUENCIES: readonly (readonly [bytes: string, perMille: number])[] = [
  ['"', 115],
  ["e", 85],
  ["ats:", 49],
  ["oirn", 33],
  [",udc", 25],
  ["0mp-1", 20],
  ["2l.{}vb", 13],
  ["83/gf4k5", 9],
  ["67T\\ 9Rhyq", 6],
  ["IVZ[]CPS=EMwjAUDzx", 2],
];
/** By byte: its share. */
const FREQUENCY = new Float64Array(256).fill(0.0003);
for (const [bytes, perMille] of FREQUENCIES) for (const byte of Buffer.from(bytes)) FREQUENCY[byte] = perMille / 1000;

interface Anchored {
  readonly text: Buffer;
  readonly number: number;
  /** Offset of the anchor in the text. */
  readonly lead: number;
}

/** Bits of the low and of the high halves that a byte may have. */
type Halves = readonly [low: number, high: number];

/** Needles that share a bit of the tables. */
interface Group {
  readonly needles: readonly Anchored[];
  /** By place in the anchor: those of the bytes there. */
  readonly halves: readonly Halves[];
  /** How often something seems to be one of them, roughly. */
  readonly cost: number;
}

/** A set of needles, to lie at `address`. */
export function encodeNeedles({ texts, needles }: Needles, address: number): Buffer {
  const groups =
    knownGroups.get(texts) ?? groupsOf(texts.map((text, number) => ({ text, number, lead: rarest(text) })));
  knownGroups.set(texts, groups);
  const set = Buffer.alloc(NEEDLES_AT + texts.length * NEEDLE_BYTES);
  for (const [group, { halves }] of groups.entries()) encodeHalves(halves, group, set);
  const beside = new Appendix(address + set.length);
  const anchored = groups.flatMap((group) => group.needles).sort((a, b) => a.text[a.lead] - b.text[b.lead]);
  for (const [index, { text, lead, number }] of anchored.entries()) {
    const byByte = BY_BYTE_AT + 2 * text[lead];
    if (set[byByte + 1]++ === 0) set[byByte] = index;
    const anchor = text.subarray(lead, lead + 4);
    const { unless } = needles[number];
    const words = [
      ...[wordOf(anchor), wordOf(anchor.map(() => 0xff)), beside.add(text), text.length, lead, number],
      unless === undefined ? 0 : beside.add(encodeFollow(unless)),
    ];
    for (const [i, word] of words.entries()) set.writeUInt32LE(word, NEEDLES_AT + index * NEEDLE_BYTES + 4 * i);
  }
  return Buffer.concat([set, beside.bytes()]);
}

/** What lies behind the words of a set. */
class Appendix {
  readonly #parts: Buffer[] = [];

  constructor(private end: number) {}

  /** Returns the address that the bytes will lie at. */
  add(bytes: Buffer): number {
    this.#parts.push(bytes);
    this.end += bytes.length;
    return this.end - bytes.length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Writes what bytes a group's anchors have into the tables of a set. */
function encodeHalves(halves: Group["halves"], group: number, set: Buffer): void {
  for (const [place, bits] of halves.entries()) {
    for (const [i, half] of bits.entries()) {
      for (let value = 0; value < 16; value++) if (half & (1 << value)) set[32 * place + 16 * i + value] |= 1 << group;
    }
  }
}

/** Each lane has a memory of its own, and the same needles in it. */
const knownGroups = new WeakMap<readonly Buffer[], Group[]>();

/** Puts needles together, those first that let the least else through as a group. */
function groupsOf(needles: readonly Anchored[]): Group[] {
  const groups = needles.map((needle) => groupOf([needle], halvesOf(needle)));
  while (groups.length > GROUPS) {
    let best = { more: Number.POSITIVE_INFINITY, a: 0, b: 0 };
    for (const [a, one] of groups.entries()) {
      for (let b = a + 1; b < groups.length; b++) {
        const more = costOf(one.halves, groups[b].halves) - one.cost - groups[b].cost;
        if (more < best.more) best = { more, a, b };
      }
    }
    const [other] = groups.splice(best.b, 1);
    const one = groups[best.a];
    groups[best.a] = groupOf([...one.needles, ...other.needles], united(one, other));
  }
  return groups;
}

const groupOf = (needles: readonly Anchored[], halves: readonly Halves[]): Group => ({
  needles,
  halves,
  cost: costOf(halves),
});

/** Of each byte of the anchor. Behind the end of a short needle, any byte will do. */
function halvesOf({ text, lead }: Anchored): Halves[] {
  return Array.from({ length: ANCHOR }, (_, place) => {
    const byte = text[lead + place];
    return byte === undefined ? [0xffff, 0xffff] : [1 << (byte & 15), 1 << (byte >> 4)];
  });
}

const united = (one: Group, other: Group): Halves[] =>
  one.halves.map(([low, high], place) => [low | other.halves[place][0], high | other.halves[place][1]]);

/** How often something seems to be one of either. Asked of every two groups, again and again, so without garbage. */
function costOf(one: readonly Halves[], other: readonly Halves[] = one): number {
  let cost = 1;
  for (let place = 0; place < ANCHOR; place++) {
    cost *= share(one[place][0] | other[place][0], one[place][1] | other[place][1]);
  }
  return cost;
}

/** The share of bytes whose halves are among these. */
function share(low: number, high: number): number {
  let sum = 0;
  for (let rows = high; rows !== 0; rows &= rows - 1) {
    const row = 31 - Math.clz32(rows & -rows);
    for (let left = low; left !== 0; left &= left - 1) sum += FREQUENCY[16 * row + 31 - Math.clz32(left & -left)];
  }
  return Math.min(1, sum);
}

/** Where the three bytes begin that occur least. */
function rarest(text: Buffer): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let at = 0; at + ANCHOR <= text.length; at++) {
    const cost = text.subarray(at, at + ANCHOR).reduce((product, byte) => product * FREQUENCY[byte], 1);
    if (cost < least) {
      best = at;
      least = cost;
    }
  }
  return best;
}
