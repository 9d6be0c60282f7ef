import { type ByteWriter, Field, type Frame, SPAN_WORDS } from "../plugin/index.js";
import { ID_TAIL } from "./id.js";
import { MatchTemplates, TEMPLATES } from "./match-templates.js";
import { PIECE_WORDS, Pieces } from "./pieces.js";

/** What `assembly/document.ts` exports. Addresses and lengths are in bytes. */
export interface DocumentExports {
  beginDocuments(
    bytes: number,
    rows: number,
    rowBytes: number,
    latencies: number,
    auditID: number,
    stage: number,
    stageTimestamp: number,
  ): void;
  beginOutput(ids: number, spans: number, parts: number, texts: number): void;
  setText(number: number, at: number, length: number): void;
  writeDocuments(first: number, last: number, offset: bigint, out: number, outTo: number, origin: number): number;
  /** Bytes that it wrote. */
  readonly written: WebAssembly.Global;
  /** 1 if it stopped before matches that their template does not do for. */
  readonly refused: WebAssembly.Global;
}

/** Most documents that one call writes: what was written stays in a processor's cache until somebody reads it. */
export const MAX_DOCUMENTS = 512;
/** Bytes of those that are written to another memory. */
const WINDOW = 256 * 1024;
/** Bytes that may be read or written behind a text. */
const PADDING = 16;
/** Bytes of an id at most. */
const ID = 128;
/** Bytes of what is written for the rows of one call: further members, and what replaces parts of lines. */
const PREPARED = 96 * 1024;
/** Most pieces that the edited lines of one call are made of. */
const MAX_PIECES = 4096;
/**
 * Words of a row's parts: address and length of its line without the closing brace, and of its further members; the address of its
 * matches' template, or 0; how many {@link Pieces} its line is made of, which stand at its address then, or 0.
 */
export const PART_WORDS = 6;
/** Most bytes of each text: the three of the frame, our members up to the offset, the file's part of ids. */
const TEXTS = [1024, 256, 256, 8192, 64];

/** Bytes of a document, about, beside its line and the texts: its time, its offset, its latency. */
const TIMES = 80;

/** The regions one behind the other: their names and sizes. */
const REGIONS = {
  window: WINDOW + PADDING,
  ids: MAX_DOCUMENTS * ID + PADDING,
  spans: MAX_DOCUMENTS * SPAN_WORDS * 4,
  prepared: PREPARED + PADDING,
  parts: MAX_DOCUMENTS * PART_WORDS * 4,
  pieces: MAX_PIECES * PIECE_WORDS * 4,
  places: TEXTS.length * 8,
  templates: TEMPLATES + PADDING,
  texts: TEXTS.reduce((sum, size) => sum + size + PADDING, 0),
};

/** Bytes of memory that it needs. */
export const DOCUMENT_MEMORY = Object.values(REGIONS).reduce((sum, size) => sum + size, 0);

/** Where a batch lies in the memory, by address. */
export interface BatchPlace {
  bytes: number;
  rows: number;
  rowBytes: number;
  latencies: number;
}

/** The part of a batch's WebAssembly memory that documents are written in, with what writes them. */
export class DocumentMemory {
  /** The ids of the last documents, one behind the other. */
  readonly ids: Buffer;
  /** {@link SPAN_WORDS} for each, as in `FramedDocuments`. */
  readonly spans: Uint32Array;
  /** Filled before a call: what rows are made of beside what stands in the batch, and the parts of each row. */
  readonly prepared: Buffer;
  readonly parts: Uint32Array;
  readonly pieces: Pieces;
  /** What the matches of rows are written by. */
  readonly templates: MatchTemplates;
  /** Address of the batch's bytes. */
  readonly bytes: number;
  /** Bytes of an id. */
  idLength = 0;
  /** Where documents are written for another memory. */
  readonly #window: Buffer;
  readonly #texts: { at: number; bytes: Buffer; length: number }[];

  /** @param at where it may lie, a multiple of 16 */
  constructor(
    private readonly exports: DocumentExports,
    memory: ArrayBuffer,
    at: number,
    { bytes, rows, rowBytes, latencies }: BatchPlace,
  ) {
    const ids = at + REGIONS.window;
    const spans = ids + REGIONS.ids;
    const prepared = spans + REGIONS.spans;
    const parts = prepared + REGIONS.prepared;
    const pieces = parts + REGIONS.parts;
    const places = pieces + REGIONS.pieces;
    const templates = places + REGIONS.places;
    let text = templates + REGIONS.templates;
    this.#window = Buffer.from(memory, at, WINDOW + PADDING);
    this.ids = Buffer.from(memory, ids, REGIONS.ids);
    this.spans = new Uint32Array(memory, spans, MAX_DOCUMENTS * SPAN_WORDS);
    this.prepared = Buffer.from(memory, prepared, PREPARED);
    this.parts = new Uint32Array(memory, parts, MAX_DOCUMENTS * PART_WORDS);
    this.pieces = new Pieces(new Uint32Array(memory, pieces, MAX_PIECES * PIECE_WORDS), bytes, this.prepared);
    this.templates = new MatchTemplates(memory, templates);
    this.bytes = bytes;
    this.#texts = TEXTS.map((size) => {
      const place = { at: text, bytes: Buffer.from(memory, text, size), length: 0 };
      text += size + PADDING;
      return place;
    });
    const { auditID, stage, stageTimestamp } = Field;
    exports.beginDocuments(bytes, rows, rowBytes, latencies, auditID, stage, stageTimestamp);
    exports.beginOutput(ids, spans, parts, places);
  }

  /** Says what stands around documents; false if that is too long. */
  frame({ before, between, after }: Frame): boolean {
    return [before, between, after].every((text, number) => this.#set(number, text));
  }

  /** Says what each document names of its file: our members up to the offset, and the file's part of its id. */
  origin(opening: Uint8Array, fileId: Uint8Array): boolean {
    this.idLength = fileId.length + ID_TAIL;
    return this.#set(3, opening) && this.#set(4, fileId);
  }

  /** Bytes of a document beside its line, about. */
  get around(): number {
    return this.#texts.reduce((sum, { length }) => sum + length, TIMES);
  }

  /** Bytes that one call may append. */
  room(out: ByteWriter): number {
    return (this.#reaches(out) ? out.bytes.length - out.length : this.#window.length) - PADDING;
  }

  /** Appends the documents of the rows [first, last) of a batch at `offset` of its file, as long as there is room; returns how many. */
  write(first: number, last: number, offset: number, out: ByteWriter): number {
    const reached = this.#reaches(out);
    const at = reached ? out.bytes.byteOffset + out.length : this.#window.byteOffset;
    const count = this.exports.writeDocuments(first, last, BigInt(offset), at, at + this.room(out), at - out.length);
    if (reached) out.length += this.#written;
    else out.copy(this.#window, 0, this.#written);
    return count;
  }

  /** True if it lies in this memory, so that documents are written there at once. */
  #reaches(out: ByteWriter): boolean {
    return out.bytes.buffer === this.#window.buffer;
  }

  /** Bytes that it wrote. */
  get #written(): number {
    return this.exports.written.value;
  }

  /** True if it stopped before matches that their template does not do for. */
  get refused(): boolean {
    return this.exports.refused.value === 1;
  }

  #set(number: number, text: Uint8Array): boolean {
    const place = this.#texts[number];
    const { at, bytes } = place;
    if (text.length > bytes.length) return false;
    bytes.set(text);
    place.length = text.length;
    this.exports.setText(number, at, text.length);
    return true;
  }
}
