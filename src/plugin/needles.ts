/** Texts to look for in whole batches, all of them in one pass: {@link Batch.find}. */
export class Needles {
  readonly texts: readonly Buffer[];

  /** @param texts at most 255; none is empty or holds a line break */
  constructor(texts: readonly string[]) {
    this.texts = texts.map((text) => Buffer.from(text));
  }
}

/** Where needles occur, in rising order of offsets: `count` entries of each column. Valid until the next call. */
export interface Finds {
  count: number;
  /** Offset of the first byte. */
  starts: Uint32Array;
  /** Which needle, by its index. */
  needles: Uint8Array;
}
