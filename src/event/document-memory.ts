import { Field, type Frame } from "../plugin/index.js";
import { ID_TAIL } from "./id.js";

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
  beginOutput(out: number, outTo: number, ids: number, spans: number, parts: number): void;
  setText(number: number, at: number, length: number): void;
  writeDocuments(first: number, last: number, offset: bigint): number;
  /** Bytes that it wrote. */
  readonly written: WebAssembly.Global;
}

/** Most documents that one call writes, and bytes of them: what stays in a processor's cache. */
export const MAX_DOCUMENTS = 512;
const OUT = 256 * 1024;
/** Bytes that may be read or written behind a text. */
const PADDING = 16;
/** Bytes of an id at most. */
const ID = 128;
/** Bytes of what is written for the rows of one call: further members, and lines that were edited. */
const PREPARED = 128 * 1024;
/** Words of a row's parts: address and length of its line without the closing brace, and of its further members. */
export const PART_WORDS = 4;
/** Words of a document's spans: its start, where our members begin, its end, the end of its frame. */
export const SPAN_WORDS = 4;
/** Most bytes of each text: the three of the frame, our members up to the offset, the file's part of ids. */
const TEXTS = [1024, 256, 256, 8192, 64];

/** Bytes of a document, about, beside its line and the texts: its time, its offset, its latency. */
const TIMES = 80;

/** The regions one behind the other: their names and sizes. */
const REGIONS = {
  out: OUT + PADDING,
  ids: MAX_DOCUMENTS * ID + PADDING,
  spans: MAX_DOCUMENTS * SPAN_WORDS * 4,
  prepared: PREPARED + PADDING,
  parts: MAX_DOCUMENTS * PART_WORDS * 4,
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
  /** The documents of the last call. */
  readonly out: Buffer;
  /** Their ids, one behind the other. */
  readonly ids: Buffer;
  /** {@link SPAN_WORDS} for each, from the start of `out`. */
  readonly spans: Uint32Array;
  /** Filled before a call: what rows are made of beside what stands in the batch, and the parts of each row. */
  readonly prepared: Buffer;
  readonly parts: Uint32Array;
  /** Address of the batch's bytes. */
  readonly bytes: number;
  /** Bytes of an id. */
  idLength = 0;
  readonly #texts: { at: number; bytes: Buffer; length: number }[];

  /** @param at where it may lie, a multiple of 16 */
  constructor(
    private readonly exports: DocumentExports,
    memory: ArrayBuffer,
    at: number,
    { bytes, rows, rowBytes, latencies }: BatchPlace,
  ) {
    const ids = at + REGIONS.out;
    const spans = ids + REGIONS.ids;
    const prepared = spans + REGIONS.spans;
    const parts = prepared + REGIONS.prepared;
    let text = parts + REGIONS.parts;
    this.out = Buffer.from(memory, at, OUT);
    this.ids = Buffer.from(memory, ids, REGIONS.ids);
    this.spans = new Uint32Array(memory, spans, MAX_DOCUMENTS * SPAN_WORDS);
    this.prepared = Buffer.from(memory, prepared, PREPARED);
    this.parts = new Uint32Array(memory, parts, MAX_DOCUMENTS * PART_WORDS);
    this.bytes = bytes;
    this.#texts = TEXTS.map((size) => {
      const place = { at: text, bytes: Buffer.from(memory, text, size), length: 0 };
      text += size + PADDING;
      return place;
    });
    const { auditID, stage, stageTimestamp } = Field;
    exports.beginDocuments(bytes, rows, rowBytes, latencies, auditID, stage, stageTimestamp);
    exports.beginOutput(at, at + OUT, ids, spans, parts);
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

  /** Writes the documents of the rows [first, last) of a batch at `offset` of its file; returns how many. */
  write(first: number, last: number, offset: number): number {
    return this.exports.writeDocuments(first, last, BigInt(offset));
  }

  /** Bytes that it wrote. */
  get written(): number {
    return this.exports.written.value;
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
