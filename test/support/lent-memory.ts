import type { BodyMemory } from "../../src/delivery/body-memory.js";

/** Memory for bodies that spoils what it has back, so that nobody can go on reading it unnoticed, and knows what is out. */
export class LentMemory implements BodyMemory {
  readonly out = new Set<Buffer>();

  take(bytes: number): Buffer {
    const body = Buffer.allocUnsafeSlow(bytes);
    this.out.add(body);
    return body;
  }

  give(body: Buffer): void {
    if (!this.out.delete(body)) throw new Error("given back twice, or never lent");
    body.fill(0xee);
  }
}
