/** A map from names to meanings that looks names up by their bytes, without making a string. */
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

  /** The meaning of the name in bytes [start, end), which must not contain escapes; 0 if it has none. */
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

  /** The meaning of a decoded name. */
  get(name: string): Meaning | 0 {
    return this.#byName.get(name) ?? 0;
  }
}
