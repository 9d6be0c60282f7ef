const MAX_SETS = 4000;
const MAX_UNIONS = 1 << 16;

/** Numbered sets of numbers that grow by what is found, in bounded memory; 0 is the empty set. */
export class NumberedSets {
  private readonly sets: ReadonlySet<number>[] = [new Set()];
  private readonly setOf = new Map<string, number>([["", 0]]);
  /** The union of a set with a key's members, by set and key. */
  private readonly unions: Map<number, number>[] = [new Map()];
  private kept = 0;

  has(set: number, member: number): boolean {
    return this.sets[set].has(member);
  }

  /** The set extended by these members; the same `key` must always come with the same members. -1 if there are too many sets. */
  union(set: number, key: number, members: readonly number[]): number {
    return this.unions[set].get(key) ?? this.add(set, key, members);
  }

  private add(set: number, key: number, members: readonly number[]): number {
    if (this.kept === MAX_UNIONS) return -1;
    const union = this.numberOf(new Set([...this.sets[set], ...members]));
    this.unions[set].set(key, union);
    this.kept++;
    return union;
  }

  private numberOf(all: ReadonlySet<number>): number {
    const key = [...all].sort((a, b) => a - b).join();
    const known = this.setOf.get(key);
    if (known !== undefined) return known;
    if (this.sets.length === MAX_SETS) return -1;
    this.setOf.set(key, this.sets.length);
    this.unions.push(new Map());
    return this.sets.push(all) - 1;
  }
}
