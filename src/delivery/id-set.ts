import { createHash } from "node:crypto";

/** A set of ids that keeps 64 bits of a hash of each: a full store holds hundreds of thousands. Open addressing. */
export class IdSet {
  size = 0;
  #slots = new BigUint64Array(1024);

  has(id: string): boolean {
    return this.#slots[this.#slot(hash(id))] !== 0n;
  }

  add(id: string): void {
    if (2 * this.size >= this.#slots.length) this.#grow();
    const value = hash(id);
    const slot = this.#slot(value);
    if (this.#slots[slot] === 0n) this.size++;
    this.#slots[slot] = value;
  }

  #slot(value: bigint): number {
    const mask = this.#slots.length - 1;
    let slot = Number(value & 0xffffffffn) & mask;
    while (this.#slots[slot] !== 0n && this.#slots[slot] !== value) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const values = this.#slots.filter((value) => value !== 0n);
    this.#slots = new BigUint64Array(2 * this.#slots.length);
    for (const value of values) this.#slots[this.#slot(value)] = value;
  }
}

/** Never 0, which marks a free slot. */
function hash(id: string): bigint {
  return createHash("sha256").update(id).digest().readBigUInt64LE() | 1n;
}
