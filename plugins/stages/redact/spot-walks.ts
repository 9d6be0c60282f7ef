import { type Edit, Edits } from "./edits.js";
import { sampleHash } from "./sample-hash.js";
import { Found } from "./search.js";
import type { SpotKind } from "./spots.js";
import type { SecretKind } from "./text.js";
import { type Tools, Unreadable, Walk } from "./walk.js";

/** Longer values, in bytes, are not remembered but walked each time. */
const MAX_LENGTH = 4096;
/** Most bytes that are remembered, and the overhead of an entry in bytes. */
const MAX_KEPT = 4 * 1024 ** 2;
const ENTRY = 256;

interface Walked {
  /** With offsets from the value's start. */
  readonly edits: readonly MadeEdit[];
  readonly kinds: readonly SecretKind[];
}

/** An edit with the bytes of its text, which are made once for many events. */
interface MadeEdit extends Edit {
  readonly bytes: Buffer;
}

/** How to walk a value: as what is at a spot or, given {@link About} bits, as the status of a failure. */
export type Manner = SpotKind | number;

/** The value of a spot, or a status. */
interface Value {
  readonly manner: Manner;
  readonly bytes: Buffer;
  /** The results, by the domain of the hashes; undefined if the value cannot be walked. */
  readonly walks: Map<string, Walked | undefined>;
}

/**
 * Walks the values of spots and the statuses of failures, and remembers the results. These values repeat byte for byte: a pod's
 * variables and arguments in each of its events and in each list, a failure when a refused request is retried.
 */
export class SpotWalks {
  readonly #tools: Tools;
  /** By hash: the value seen last. */
  readonly #values = new Map<number, Value>();
  #kept = 0;
  #kinds: SecretKind[] = [];

  constructor(private readonly outer: Tools) {
    this.#tools = { ...outer, count: (kind) => void this.#kinds.push(kind) };
  }

  /**
   * The edits of the value in [start, end), with offsets from `start`; undefined if it cannot be walked.
   * @param domainOf called only if something has to be hashed; undefined if the domain cannot be told
   */
  walk(
    bytes: Buffer,
    start: number,
    end: number,
    manner: Manner,
    domainOf: () => string | undefined,
  ): readonly MadeEdit[] | undefined {
    const value = this.#valueOf(bytes, start, end, manner);
    const anywhere = this.#walked(value, "");
    if (anywhere === undefined || anywhere.edits.length === 0) return anywhere?.edits;
    const domain = domainOf();
    const walked = domain === undefined ? undefined : this.#walked(value, domain);
    for (const kind of walked?.kinds ?? []) this.outer.count(kind);
    return walked?.edits;
  }

  #valueOf(bytes: Buffer, start: number, end: number, manner: Manner): Value {
    const hash = sampleHash(bytes, start, end);
    const known = this.#values.get(hash);
    if (known?.manner === manner && known.bytes.compare(bytes, start, end) === 0) return known;
    const value = { manner, bytes: Buffer.from(bytes.subarray(start, end)), walks: new Map() };
    if (end - start <= MAX_LENGTH) {
      this.#keep(end - start);
      this.#values.set(hash, value);
    }
    return value;
  }

  #walked(value: Value, domain: string): Walked | undefined {
    const { walks, bytes, manner } = value;
    const known = walks.get(domain);
    if (known !== undefined || walks.has(domain)) return known;
    const walked = this.#walk(bytes, manner, domain);
    this.#keep(domain.length);
    walks.set(domain, walked);
    return walked;
  }

  #walk(bytes: Buffer, manner: Manner, domain: string): Walked | undefined {
    const opened = this.#tools.openTape(bytes, 0, bytes.length);
    if (opened === undefined) return undefined;
    const edits = new Edits();
    this.#kinds = [];
    try {
      const { tape, root } = opened;
      const document = { tape, domain, found: Found.text, patches: false, envelope: typeof manner === "number" };
      const walk = new Walk(this.#tools, document, edits);
      if (typeof manner === "number") walk.run(root, manner);
      else walk.runSpot(root, manner);
    } catch (error) {
      if (error instanceof Unreadable) return undefined;
      throw error;
    }
    return { edits: edits.drain().map((edit) => ({ ...edit, bytes: Buffer.from(edit.text) })), kinds: this.#kinds };
  }

  /** Makes room for this many more bytes. */
  #keep(bytes: number): void {
    this.#kept += bytes + ENTRY;
    if (this.#kept <= MAX_KEPT) return;
    this.#values.clear();
    this.#kept = bytes + ENTRY;
  }
}
