import { ByteWriter, Flag, type Frame, type FramedDocuments, ROW_WORDS, Row } from "../plugin/index.js";
import type { EventBatch } from "./batch.js";
import type { MemberWriter } from "./document.js";
import { type DocumentMemory, MAX_DOCUMENTS, PART_WORDS } from "./document-memory.js";
import type { MatchTemplates } from "./match-templates.js";
import type { RowView } from "./view.js";

/** Flags of rows that are no documents, or whose document says more about itself than annotations and matches. */
const UNUSUAL = Flag.invalid | Flag.dropped | Flag.salvaged | Flag.truncated | Flag.item | Flag.reserved | Flag.deep;
const CHANGED = Flag.edited | Flag.annotated | Flag.matched;
/** Longer lines, in bytes, are left to those who write documents one by one, so that they are copied only once. */
const MAX_LINE = 32 * 1024;

const NOTHING = new Uint8Array(0);

/** Writes many documents at once (`assembly/document.ts`), for the rows whose documents have the usual form. */
export class Framing implements FramedDocuments {
  count = 0;
  ids: Uint8Array = NOTHING;
  idLength = 0;
  spans: Uint32Array = new Uint32Array(0);
  #frame: Frame | undefined;
  #opening: Uint8Array | undefined;
  /** Whether the frame and the opening are short enough. */
  #fits = false;
  /** What rows consist of besides the batch's own bytes. */
  readonly #prepared = new ByteWriter(0);

  constructor(
    private readonly batch: EventBatch,
    private readonly members: MemberWriter,
  ) {}

  /**
   * Appends documents of the rows from `first` on, up to `last` at most. @param memory undefined if the batch is not in WebAssembly
   * memory
   */
  write(first: number, last: number, frame: Frame, memory: DocumentMemory | undefined, out: ByteWriter): void {
    this.count = 0;
    if (memory === undefined || !this.#place(memory, frame)) return;
    const end = this.#prepare(first, Math.min(last, first + MAX_DOCUMENTS), memory, memory.room(out));
    if (end === first) return;
    this.count = memory.write(first, end, this.batch.offset, out);
    if (memory.refused) memory.templates.refuse(this.batch.matches(first + this.count));
  }

  /** Sets what is the same in every document; false if that is too long. */
  #place(memory: DocumentMemory, frame: Frame): boolean {
    const { opening, fileId } = this.members;
    if (frame === this.#frame && opening === this.#opening) return this.#fits;
    this.#frame = frame;
    this.#opening = opening;
    this.#fits = memory.frame(frame) && memory.origin(opening, fileId);
    this.ids = memory.ids;
    this.idLength = memory.idLength;
    this.spans = memory.spans;
    return this.#fits;
  }

  /**
   * Prepares the parts of each row, up to the first that is unusual or does not fit, and returns that row. Rows that are then not
   * written are prepared again in the next call.
   */
  #prepare(first: number, last: number, memory: DocumentMemory, space: number): number {
    const { table } = this.batch;
    const { parts, bytes, around } = memory;
    this.#prepared.bytes = memory.prepared;
    this.#prepared.length = 0;
    memory.templates.begin(this.batch.rules);
    memory.pieces.clear();
    let room = space;
    let row = first;
    for (; row < last && room > 0; row++) {
      const at = row * ROW_WORDS;
      const start = table[at + Row.start];
      const length = table[at + Row.end] - start - 1;
      const flags = table[at + Row.flags];
      if ((flags & UNUSUAL) !== 0 || length > MAX_LINE) return row;
      const part = (row - first) * PART_WORDS;
      parts[part] = bytes + start;
      parts[part + 1] = length;
      parts[part + 3] = 0;
      parts[part + 4] = 0;
      parts[part + 5] = 0;
      if ((flags & CHANGED) !== 0 && !this.#change(row, flags, memory, part)) return row;
      room -= length + around;
    }
    return row;
  }

  /** Writes what stages made of a row; false if that cannot be had here. */
  #change(row: number, flags: number, memory: DocumentMemory, part: number): boolean {
    const { prepared, parts, templates } = memory;
    const out = this.#prepared;
    const event = this.batch.at(row);
    try {
      const template = this.#template(event, flags, templates);
      if ((flags & Flag.edited) !== 0 && !this.#cut(event, memory, part)) return false;
      const before = out.length;
      parts[part + 2] = prepared.byteOffset + before;
      event.writeAdded(out, template === 0 ? flags : flags & ~Flag.matched);
      parts[part + 3] = out.length - before;
      parts[part + 4] = template;
    } catch {
      return false;
    }
    // It grew out of its place.
    return out.bytes === prepared;
  }

  /** Cuts an edited line into pieces; false if they cannot be had here. */
  #cut(event: RowView, { parts, pieces }: DocumentMemory, part: number): boolean {
    const { address, count, length } = pieces;
    if (!event.cutEdited(pieces, this.#prepared)) return false;
    parts[part] = address;
    parts[part + 1] = pieces.length - length;
    parts[part + 5] = pieces.count - count;
    return pieces.fit;
  }

  /** Where the template of a row's matches lies; 0 if they have none, or show what was redacted. */
  #template(event: RowView, flags: number, templates: MatchTemplates): number {
    if ((flags & Flag.matched) === 0) return 0;
    const matches = event.matches();
    if ((flags & Flag.edited) !== 0) {
      for (const match of matches) if (match.template?.isEdited(event)) return 0;
    }
    return templates.of(matches, this.members);
  }
}
