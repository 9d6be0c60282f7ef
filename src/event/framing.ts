import { ByteWriter, Flag, type Frame, type FramedDocuments, ROW_WORDS, Row } from "../plugin/index.js";
import type { EventBatch } from "./batch.js";
import type { MemberWriter } from "./document.js";
import { type DocumentMemory, MAX_DOCUMENTS } from "./document-memory.js";

/** Rows with one of these are not copied as they stand, or say more of themselves than an annotation or a match. */
const UNUSUAL =
  Flag.invalid | Flag.dropped | Flag.salvaged | Flag.truncated | Flag.edited | Flag.item | Flag.reserved | Flag.deep;
/** Longer lines are better copied once, by who writes documents one by one. Bytes. */
const MAX_LINE = 32 * 1024;

const NOTHING = new Uint8Array(0);

/** Writes many documents at once (`assembly/document.ts`), of the rows that need no more than that. */
export class Framing implements FramedDocuments {
  count = 0;
  bytes: Uint8Array = NOTHING;
  length = 0;
  ids: Uint8Array = NOTHING;
  idLength = 0;
  spans: Uint32Array = new Uint32Array(0);
  #frame: Frame | undefined;
  #opening: Uint8Array | undefined;
  /** Whether frame and opening are short enough. */
  #fits = false;
  /** What stages added to the rows. */
  readonly #added = new ByteWriter(0);

  constructor(
    private readonly batch: EventBatch,
    private readonly members: MemberWriter,
  ) {}

  /** Writes documents of rows from `first` on, at most up to `last`. @param memory undefined if the batch lies elsewhere */
  write(first: number, last: number, frame: Frame, memory: DocumentMemory | undefined): void {
    this.count = 0;
    this.length = 0;
    if (memory === undefined || !this.#place(memory, frame)) return;
    const end = this.#prepare(first, Math.min(last, first + MAX_DOCUMENTS), memory);
    if (end === first) return;
    this.count = memory.write(first, end, this.batch.offset);
    this.length = memory.written;
  }

  /** Says what stands in every document; false if that is too long. */
  #place(memory: DocumentMemory, frame: Frame): boolean {
    const { opening, fileId } = this.members;
    if (frame === this.#frame && opening === this.#opening) return this.#fits;
    this.#frame = frame;
    this.#opening = opening;
    this.#fits = memory.frame(frame) && memory.origin(opening, fileId);
    this.bytes = memory.out;
    this.ids = memory.ids;
    this.idLength = memory.idLength;
    this.spans = memory.spans;
    return this.#fits;
  }

  /** Writes what stages added to rows, up to the first that is unusual or for which there is no room; returns which that is. */
  #prepare(first: number, last: number, memory: DocumentMemory): number {
    const { table } = this.batch;
    const added = this.#added;
    added.bytes = memory.members;
    added.length = 0;
    for (let row = first; row < last; row++) {
      const at = row * ROW_WORDS;
      const flags = table[at + Row.flags];
      if ((flags & UNUSUAL) !== 0 || table[at + Row.end] - table[at + Row.start] > MAX_LINE) return row;
      if ((flags & (Flag.annotated | Flag.matched)) !== 0 && !this.#add(row, flags)) return row;
      memory.memberEnds[row - first] = added.length;
    }
    return last;
  }

  /** Writes what stages added to a row; false if that cannot be had here. */
  #add(row: number, flags: number): boolean {
    const added = this.#added;
    const { bytes } = added;
    try {
      this.batch.at(row).writeAdded(added, flags);
    } catch {
      return false;
    }
    // It grew out of its place.
    return added.bytes === bytes;
  }
}
