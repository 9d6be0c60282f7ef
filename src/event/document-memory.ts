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
  /** The number of bytes written by the last call. */
  readonly written: WebAssembly.Global;
  /** 1 if the last call stopped before matches that their template cannot write. */
  readonly refused: WebAssembly.Global;
}

/** Most documents written by one call, so that they are still in the processor's cache when somebody reads them. */
export const MAX_DOCUMENTS = 512;
/** Bytes of the window for documents that go to another memory. */
const WINDOW = 256 * 1024;
/** Bytes behind a text that may be read or written. */
const PADDING = 16;
/** Longest id in bytes. */
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

/** About the bytes of a document besides its line and the texts: its time, offset and latency. */
const TIMES = 80;

/** The regions, one after the other: their names and sizes in bytes. */
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

/** Bytes of memory that documents need. */
export const DOCUMENT_MEMORY = Object.values(REGIONS).reduce((sum, size) => sum + size, 0);

/** Where a batch lies in the memory, by address. */
export interface BatchPlace {
  bytes: number;
  rows: number;
  rowBytes: number;
  latencies: number;
}

/** The part of a batch's WebAssembly memory in which documents are written, and the functions that write them. */
export class DocumentMemory {
  /** The ids of the last documents, one after the other. */
  readonly ids: Buffer;
  /** {@link SPAN_WORDS} for each document, as in `FramedDocuments`. */
  readonly spans: Uint32Array;
  /** `prepared` holds what rows consist of besides the batch's own bytes, `parts` the parts of each row. Filled before each call. */
  readonly prepared: Buffer;
  readonly parts: Uint32Array;
  readonly pieces: Pieces;
  /** What the matches of rows are written by. */
  readonly templates: MatchTemplates;
  /** Address of the batch's bytes. */
  readonly bytes: number;
  /** Length of an id in bytes. */
  idLength = 0;
  /** Where documents for another memory are written before they are copied. */
  readonly #window: Buffer;
  readonly #texts: { at: number; bytes: Buffer; length: number }[];

  /** @param at address of its part of the memory, a multiple of 16 */
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
    this.pieces = new Pieces(new Uint32Array(memory, pieces, MAX_PIECES * PIECE_WORDS), bytes);
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

  /** Sets the text around each document; false if it is too long. */
  frame({ before, between, after }: Frame): boolean {
    return [before, between, after].every((text, number) => this.#set(number, text));
  }

  /**
   * Sets what each document says about its file: our members up to the offset, and the file's part of its id. False if it is too
   * long.
   */
  origin(opening: Uint8Array, fileId: Uint8Array): boolean {
    this.idLength = fileId.length + ID_TAIL;
    return this.#set(3, opening) && this.#set(4, fileId);
  }

  /** About the bytes of a document besides its line. */
  get around(): number {
    return this.#texts.reduce((sum, { length }) => sum + length, TIMES);
  }

  /** The bytes that one call may append. */
  room(out: ByteWriter): number {
    return (this.#reaches(out) ? out.bytes.length - out.length : this.#window.length) - PADDING;
  }

  /**
   * Appends the documents of rows [first, last), as long as there is room, and returns how many. The batch begins at `offset` of
   * its file.
   */
  write(first: number, last: number, offset: number, out: ByteWriter): number {
    const reached = this.#reaches(out);
    const at = reached ? out.bytes.byteOffset + out.length : this.#window.byteOffset;
    const count = this.exports.writeDocuments(first, last, BigInt(offset), at, at + this.room(out), at - out.length);
    if (reached) out.length += this.#written;
    else out.copy(this.#window, 0, this.#written);
    return count;
  }

  /** True if `out` is in this memory, so that documents are written directly to it. */
  #reaches(out: ByteWriter): boolean {
    return out.bytes.buffer === this.#window.buffer;
  }

  /** The number of bytes written by the last call. */
  get #written(): number {
    return this.exports.written.value;
  }

  /** True if the last call stopped before matches that their template cannot write. */
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
