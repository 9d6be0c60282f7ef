import {
  FIELD_COUNT,
  type Kinds,
  type Likeness,
  MAX_KINDS,
  MAX_LATENCIES,
  NUMBERED,
  ROW_HEADER,
} from "../plugin/index.js";
import { upTo16 } from "./align.js";

/** The functions of `assembly/kinds.ts` that are called. Addresses are in bytes. */
export interface KindExports {
  beginKinds(at: number): void;
  kinds(likeness: number, rows: number, numbers: number, latencies: number, count: number, out: number): void;
  /** 1 if there was no room for a kind. */
  readonly kindsFull: WebAssembly.Global;
}

const MASK_BYTES = upTo16(2 * NUMBERED.length);
/** Must agree with `assembly/kinds.ts`. */
const KEY_BYTES = 64;
const SLOTS = 16_384;
const HEADER = 16;
/** Where the mask begins. */
const MASK = HEADER + 8 * MAX_LATENCIES;
const LIKENESS_BYTES = upTo16(MASK + 2 * MASK_BYTES + 2 * FIELD_COUNT);
/** Bytes of memory for kinds. They are not touched before they are needed. */
export const kindsBytes = (maxRows: number): number =>
  LIKENESS_BYTES + 4 * SLOTS + KEY_BYTES * MAX_KINDS + upTo16(2 * maxRows);

/** The kinds of rows in a WebAssembly memory, for one likeness at a time. */
export class KindTable {
  readonly #exports: KindExports;
  readonly #memory: Uint8Array;
  readonly #at: number;
  readonly #numbers: Uint16Array;
  #likeness: Likeness | undefined;
  /** The numbering of values from which the kinds were made. */
  #values: object | undefined;
  #kinds: Kinds | undefined;

  /** @param at address of {@link kindsBytes} bytes */
  constructor(exports: KindExports, memory: ArrayBuffer, at: number, maxRows: number) {
    this.#exports = exports;
    this.#memory = new Uint8Array(memory);
    this.#at = at;
    this.#numbers = new Uint16Array(memory, at + LIKENESS_BYTES + 4 * SLOTS + KEY_BYTES * MAX_KINDS, maxRows);
  }

  /**
   * The kinds of `count` rows. `rows`, `numbers` (of their values) and `latencies` are addresses.
   * @param values identifies the numbering of the values
   */
  of(likeness: Likeness, values: object, rows: number, numbers: number, latencies: number, count: number): Kinds {
    const { kinds, kindsFull, beginKinds } = this.#exports;
    if (likeness !== this.#likeness || values !== this.#values || kindsFull.value !== 0 || !this.#kinds) {
      if (likeness !== this.#likeness) this.#memory.set(encode(likeness), this.#at);
      beginKinds(this.#at + LIKENESS_BYTES);
      this.#likeness = likeness;
      this.#values = values;
      this.#kinds = { numbers: this.#numbers, numbering: {} };
    }
    kinds(this.#at, rows, numbers, latencies, count, this.#numbers.byteOffset);
    return this.#kinds;
  }
}

/** Encodes a likeness in the form that `assembly/kinds.ts` reads. */
function encode({ fields, latencies }: Likeness): Buffer {
  const others = fields.filter((field) => !NUMBERED.includes(field));
  const bytes = Buffer.alloc(LIKENESS_BYTES);
  bytes.writeUInt32LE(MASK_BYTES, 0);
  bytes.writeUInt32LE(others.length, 4);
  bytes.writeUInt32LE(latencies.length, 8);
  for (const [index, latency] of latencies.entries()) bytes.writeDoubleLE(latency, HEADER + 8 * index);
  const spanOf = (field: number) => 4 * (ROW_HEADER + 2 * field);
  for (const [index, field] of NUMBERED.entries()) {
    if (fields.includes(field)) bytes.writeUInt16LE(0xffff, MASK + 2 * index);
    bytes.writeUInt16LE(spanOf(field), MASK + MASK_BYTES + 2 * index);
  }
  for (const [index, field] of others.entries()) bytes.writeUInt16LE(spanOf(field), MASK + 2 * MASK_BYTES + 2 * index);
  return bytes;
}
