/** Keys of objects to look for, all in one pass: see {@link Batch.findKeys}. */
export class Keys {
  /** By number, each with the quote that ends it. */
  readonly texts: readonly Buffer[];

  /** @param names what keys end with; each {@link isFindable} */
  constructor(names: readonly string[]) {
    this.texts = names.map((name) => Buffer.from(`${name}"`));
  }

  /** True for a name of at least three bytes that JSON writes as it is. */
  static isFindable(name: string): boolean {
    return Buffer.byteLength(name) >= 3 && !/["\\\x00-\x1f\ufffd\ud800-\udfff]/u.test(name);
  }
}
