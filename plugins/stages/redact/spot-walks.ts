import { type Edit, Edits } from "./edits.js";
import { Found } from "./search.js";
import type { SpotKind } from "./spots.js";
import type { SecretKind } from "./text.js";
import { type Tools, Unreadable, Walk } from "./walk.js";

/** Longer values are walked each time. Bytes. */
const MAX_LENGTH = 4096;
/** Most characters that are remembered. */
const MAX_KEPT = 4 * 1024 ** 2;

interface Walked {
  /** Offsets from the value's start. */
  readonly edits: readonly Edit[];
  readonly kinds: readonly SecretKind[];
}

/**
 * Walks the values of spots, and remembers what was found: the variables and arguments of a pod come again, byte for byte,
 * with each of its events and in each list.
 */
export class SpotWalks {
  readonly #tools: Tools;
  readonly #known = new Map<string, Walked>();
  #kept = 0;
  #kinds: SecretKind[] = [];

  constructor(private readonly outer: Tools) {
    this.#tools = { ...outer, count: (kind) => void this.#kinds.push(kind) };
  }

  /**
   * The edits of the value in [start, end), as offsets from `start`; undefined if it cannot be walked.
   * @param domainOf asked for only where something has to be hashed; undefined if the domain cannot be told
   */
  walk(
    bytes: Buffer,
    start: number,
    end: number,
    kind: SpotKind,
    domainOf: () => string | undefined,
  ): readonly Edit[] | undefined {
    const text = end - start > MAX_LENGTH ? undefined : kind + bytes.toString("latin1", start, end);
    const anywhere = this.#walked("", text, bytes, start, end, kind);
    if (anywhere === undefined || anywhere.edits.length === 0) return anywhere?.edits;
    const domain = domainOf();
    const walked = domain === undefined ? undefined : this.#walked(`${domain} `, text, bytes, start, end, kind);
    for (const kind of walked?.kinds ?? []) this.outer.count(kind);
    return walked?.edits;
  }

  /** What was found in a value, from memory if it was seen before. A domain's prefix ends with a blank, which no kind holds. */
  #walked(prefix: string, text: string | undefined, bytes: Buffer, start: number, end: number, kind: SpotKind) {
    if (text === undefined) return this.#walk(bytes, start, end, kind, prefix.slice(0, -1));
    const key = prefix + text;
    let walked = this.#known.get(key);
    if (walked === undefined) {
      walked = this.#walk(bytes, start, end, kind, prefix.slice(0, -1));
      if (walked !== undefined) this.#keep(key, walked);
    }
    return walked;
  }

  #walk(bytes: Buffer, start: number, end: number, kind: SpotKind, domain: string): Walked | undefined {
    const opened = this.#tools.openTape(bytes, start, end);
    if (opened === undefined) return undefined;
    const edits = new Edits();
    this.#kinds = [];
    try {
      const document = { tape: opened.tape, domain, found: kind === "text" ? Found.text : Found.spots, patches: false };
      new Walk(this.#tools, document, edits).runSpot(opened.root, kind);
    } catch (error) {
      if (error instanceof Unreadable) return undefined;
      throw error;
    }
    const relative = edits.drain().map((edit) => ({ ...edit, start: edit.start - start, end: edit.end - start }));
    return { edits: relative, kinds: this.#kinds };
  }

  #keep(key: string, walked: Walked): void {
    this.#kept += key.length;
    if (this.#kept > MAX_KEPT) {
      this.#known.clear();
      this.#kept = key.length;
    }
    this.#known.set(key, walked);
  }
}
