import type { Finds, Needles } from "../plugin/index.js";
import type { WasmMemory } from "./wasm-memory.js";

/** Occurrences, in columns that grow. */
export class FindList implements Finds {
  count = 0;
  starts = new Uint32Array(1024);
  needles = new Uint8Array(1024);

  add(start: number, needle: number): void {
    if (this.count === this.starts.length) this.#grow();
    // They come nearly in order: out of it by less than a needle's length.
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

/** All occurrences of the needles in `bytes`, in rising order; in `memory` if it holds the bytes. */
export function findAll(needles: Needles, bytes: Buffer, found: FindList, memory?: WasmMemory): Finds {
  found.count = 0;
  if (memory?.holds(bytes) && memory.find(needles, bytes.length, found)) return found;
  const next = needles.texts.map((text) => bytes.indexOf(text));
  for (;;) {
    let nearest = -1;
    for (const [needle, at] of next.entries()) if (at >= 0 && (nearest < 0 || at < next[nearest])) nearest = needle;
    if (nearest < 0) return found;
    found.add(next[nearest], nearest);
    next[nearest] = bytes.indexOf(needles.texts[nearest], next[nearest] + 1);
  }
}
