import { type Follow, isFollowed } from "./follow.js";

/** A text to look for, and where it counts. */
export interface Needle {
  /** Not empty, and without a line break. */
  readonly text: string;
  /** It does not count if this follows. */
  readonly unless?: Follow;
}

/** Texts to look for, all of them in one pass: in a batch by {@link Batch.find}, elsewhere by {@link findNeedles}. */
export class Needles {
  readonly needles: readonly Needle[];
  readonly texts: readonly Buffer[];

  /**
   * @param needles at most 255
   * @param anchors pairs of bytes that are rare where the needles are looked for, in up to 8 groups; each needle should hold one.
   *   {@link Batch.find} compares needles only where a pair occurs, and where the low half of each byte and its high half come from
   *   bytes at this place of pairs of one group. They make it fast, and do not change what is found.
   */
  constructor(
    needles: readonly (Needle | string)[],
    readonly anchors: readonly (readonly string[])[] = [],
  ) {
    this.needles = needles.map((needle) => (typeof needle === "string" ? { text: needle } : needle));
    this.texts = this.needles.map(({ text }) => Buffer.from(text));
  }
}

/** Where needles occur, in rising order of offsets: `count` entries of each column. */
export interface Finds {
  readonly count: number;
  /** Offset of the first byte. */
  readonly starts: Uint32Array;
  /** Which needle, by its index. */
  readonly needles: Uint8Array;
}

/** Finds, collected in columns that grow. */
export class FindList implements Finds {
  count = 0;
  starts = new Uint32Array(64);
  needles = new Uint8Array(64);

  clear(): void {
    this.count = 0;
  }

  /** Adds an occurrence in its place: after those added before, or a few before the last. */
  add(start: number, needle: number): void {
    if (this.count === this.starts.length) this.#grow();
    let at = this.count++;
    for (; at > 0 && this.starts[at - 1] > start; at--) {
      this.starts[at] = this.starts[at - 1];
      this.needles[at] = this.needles[at - 1];
    }
    this.starts[at] = start;
    this.needles[at] = needle;
  }

  #grow(): void {
    const { starts, needles } = this;
    this.starts = new Uint32Array(2 * starts.length);
    this.needles = new Uint8Array(2 * needles.length);
    this.starts.set(starts);
    this.needles.set(needles);
  }
}

/** Adds every occurrence of the needles in `bytes` that counts, overlapping ones too. Meant for short texts. */
export function findNeedles({ needles, texts }: Needles, bytes: Buffer, found: FindList): void {
  const next = texts.map((text) => bytes.indexOf(text));
  for (;;) {
    let nearest = -1;
    for (let i = 0; i < next.length; i++) if (next[i] >= 0 && (nearest < 0 || next[i] < next[nearest])) nearest = i;
    if (nearest < 0) return;
    const at = next[nearest];
    const { unless } = needles[nearest];
    if (unless === undefined || !isFollowed(bytes, at + texts[nearest].length, unless)) found.add(at, nearest);
    next[nearest] = bytes.indexOf(texts[nearest], at + 1);
  }
}
