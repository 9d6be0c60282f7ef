/** Names that are looked up by their bytes: which of them [start, end) is, without making a string. */
export class Names<Meaning extends number> {
  readonly #byLength: ({ bytes: Uint8Array; meaning: Meaning }[] | undefined)[] = [];
  readonly #byName: Map<string, Meaning>;

  constructor(names: ReadonlyMap<string, Meaning>) {
    this.#byName = new Map(names);
    for (const [name, meaning] of names) {
      const bytes = Buffer.from(name);
      const same = this.#byLength[bytes.length] ?? [];
      this.#byLength[bytes.length] = same;
      same.push({ bytes, meaning });
    }
  }

  /** What the bytes [start, end) mean, 0 if nothing. They hold no escapes. */
  find(bytes: Uint8Array, start: number, end: number): Meaning | 0 {
    const candidates = this.#byLength[end - start];
    if (candidates === undefined) return 0;
    for (const candidate of candidates) {
      const name = candidate.bytes;
      let i = 0;
      while (i < name.length && name[i] === bytes[start + i]) i++;
      if (i === name.length) return candidate.meaning;
    }
    return 0;
  }

  /** What a decoded name means. */
  get(name: string): Meaning | 0 {
    return this.#byName.get(name) ?? 0;
  }
}
