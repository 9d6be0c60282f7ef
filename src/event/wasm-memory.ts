import {
  FIELD_COUNT,
  FIELD_PATHS,
  type FindList,
  type Inner,
  type InnerKey,
  type Kinds,
  type Likeness,
  type Needles,
  NUMBERED,
  ROW_HEADER,
  ROW_WORDS,
} from "../plugin/index.js";
import { upTo16 } from "./align.js";
import { Arena, FIXED } from "./arena.js";
import { DOCUMENT_MEMORY, type DocumentExports, DocumentMemory } from "./document-memory.js";
import { KEY_SETS_BYTES, type KeyExports, KeySets } from "./key-sets.js";
import { type KindExports, KindTable, kindsBytes } from "./kinds.js";
import { encodeNeedles } from "./teddy.js";
import { SCANNER } from "./wasm.js";

/** What `assembly/index.ts` exports. Addresses and lengths are in bytes. */
interface Exports extends DocumentExports, KindExports, KeyExports {
  readonly heap: WebAssembly.Global;
  addKey(table: number, length: number, field: number, nested: number, number: number): number;
  begin(bytes: number, rowBytes: number, numbersBytes: number): void;
  scan(from: number, to: number, rows: number, numbers: number, max: number): number;
  beginNumbers(at: number): void;
  /** 1 if there was no room for a value. */
  readonly full: WebAssembly.Global;
  /** Where `scan` stopped. */
  readonly position: WebAssembly.Global;
  skip(at: number, end: number): number;
  inner(keys: number, at: number, end: number, out: number): number;
  times(bytes: number, rows: number, rowBytes: number, count: number, field: number, out: number): number;
  find(set: number, bytes: number, from: number, to: number, found: number, max: number): number;
  /** Where `find` has to go on; -1 if it is done. */
  readonly foundTo: WebAssembly.Global;
}

const ROW_BYTES = 4 * ROW_WORDS;
const NUMBERS_BYTES = 2 * NUMBERED.length;
/** Bytes of a row in the columns `time` and `latency`. */
const TIMES_BYTES = 2 * 8;
/** Bytes for the tables of `assembly/intern.ts`. */
const INTERNER = 272 * 1024;
/** Bytes behind the batch's that may be read. */
const PADDING = 64;
/** Bytes for sets of needles and inner keys. */
const SETS = 16 * 1024;
/** Most finds of one call of `find`. */
const MAX_FOUND = 4096;
const FOUND_BYTES = 8 * MAX_FOUND;

/** A key in one of the scanner's tables: name, field, and the number of the table with the keys of its members. */
type Key = readonly [name: string, field: number, nested: number];
const TABLES = keyTables();

/** The module, compiled once; undefined where Node has no WebAssembly SIMD. */
let compiled: { readonly module: WebAssembly.Module | undefined } | undefined;

function compile(): WebAssembly.Module | undefined {
  try {
    return new WebAssembly.Module(Buffer.from(SCANNER, "base64"));
  } catch {
    return undefined;
  }
}

/**
 * The memory that holds a batch's bytes and its field table. The functions of `assembly/` work on them there, without copying. Its
 * size is fixed.
 */
export class WasmMemory {
  /** For the reader to fill. */
  readonly buffer: Buffer;
  /** Rows of the field table, all zero. */
  readonly table: Uint32Array<ArrayBuffer>;
  /** Numbers of values, all zero: see {@link Batch.numbers}. */
  readonly numbers: Uint16Array<ArrayBuffer>;
  /** Columns beside the table, all NaN: see {@link Batch.time}, {@link Batch.latency}. */
  readonly time: Float64Array<ArrayBuffer>;
  readonly latency: Float64Array<ArrayBuffer>;
  /** Where documents are written. */
  readonly documents: DocumentMemory;
  /** Searches the bytes for keys. */
  readonly keys: KeySets;
  /** Replaced by another object when the numbers start over. */
  numbering: object = {};
  readonly #exports: Exports;
  readonly #rows: number;
  readonly #bytes: number;
  readonly #interner: number;
  readonly #kinds: KindTable;
  readonly #found: Uint32Array;
  /** One past the bytes. */
  readonly #end: number;
  #nextSet: number;
  #sets = new WeakMap<Needles | InnerKey, number>();

  /** The bytes that it takes. @param capacity of the batch's buffer */
  static bytes(capacity: number, maxRows: number): number {
    const rows = maxRows * (ROW_BYTES + NUMBERS_BYTES + TIMES_BYTES);
    const finding = SETS + FOUND_BYTES + INTERNER + KEY_SETS_BYTES + kindsBytes(maxRows);
    return finding + rows + DOCUMENT_MEMORY + 4 * 16 + capacity + PADDING;
  }

  /** Creates one in the arena or, if that has no room, in an arena of its own. Undefined where there is no WebAssembly SIMD. */
  static create(capacity: number, maxRows: number, arena?: Arena): WasmMemory | undefined {
    compiled ??= { module: compile() };
    const { module } = compiled;
    if (!module) return undefined;
    const bytes = WasmMemory.bytes(capacity, maxRows);
    const block = arena?.memory && arena.takeZeroed(bytes);
    if (arena && block) return new WasmMemory(module, capacity, maxRows, arena, block);
    const own = new Arena(bytes);
    return new WasmMemory(module, capacity, maxRows, own, own.takeZeroed(bytes)!);
  }

  private constructor(
    module: WebAssembly.Module,
    capacity: number,
    maxRows: number,
    private readonly arena: Arena,
    private readonly block: Buffer,
  ) {
    const memory = arena.memory!;
    this.#exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
    if (this.#exports.heap.value > FIXED) throw new Error("the module's own memory has outgrown its place");
    this.#nextSet = block.byteOffset;
    const found = this.#nextSet + SETS;
    this.#interner = found + FOUND_BYTES;
    const keys = this.#interner + INTERNER;
    const kinds = keys + KEY_SETS_BYTES;
    this.#rows = kinds + kindsBytes(maxRows);
    const numbers = this.#rows + maxRows * ROW_BYTES;
    const times = upTo16(numbers + maxRows * NUMBERS_BYTES);
    const documents = times + maxRows * TIMES_BYTES;
    this.#bytes = upTo16(documents + DOCUMENT_MEMORY);
    this.#found = new Uint32Array(memory.buffer, found, 2 * MAX_FOUND);
    this.table = new Uint32Array(memory.buffer, this.#rows, maxRows * ROW_WORDS);
    this.#end = this.#bytes + capacity;
    this.buffer = Buffer.from(memory.buffer, this.#bytes, capacity);
    this.numbers = new Uint16Array(memory.buffer, numbers, maxRows * NUMBERED.length);
    this.time = new Float64Array(memory.buffer, times, maxRows).fill(Number.NaN);
    this.latency = new Float64Array(memory.buffer, times + maxRows * 8, maxRows).fill(Number.NaN);
    this.documents = new DocumentMemory(this.#exports, memory.buffer, documents, {
      bytes: this.#bytes,
      rows: this.#rows,
      rowBytes: ROW_BYTES,
      latencies: this.latency.byteOffset,
    });
    this.#exports.begin(this.#bytes, ROW_BYTES, NUMBERS_BYTES);
    this.#exports.beginNumbers(this.#interner);
    this.keys = new KeySets(this.#exports, memory.buffer, keys);
    this.#kinds = new KindTable(this.#exports, memory.buffer, kinds, maxRows);
    for (const [table, keys] of TABLES.entries()) for (const key of keys) this.#addKey(table, key);
  }

  /** Gives the memory back. */
  close(): void {
    this.arena.give(this.block);
  }

  /** True if these are the bytes in {@link buffer}. */
  holds(bytes: Uint8Array): boolean {
    return bytes.buffer === this.buffer.buffer && bytes.byteOffset === this.buffer.byteOffset;
  }

  /**
   * Fills rows for the lines in [from, to), from row `row` on, at most `max` of them; returns how many. {@link position} says where
   * it stopped. If that is before `to`, and `max` is not reached, the next line is for the TypeScript scanner.
   */
  scan(from: number, to: number, row: number, max: number): number {
    const numbers = this.numbers.byteOffset + row * NUMBERS_BYTES;
    return this.#exports.scan(from, to, this.#rows + row * ROW_BYTES, numbers, max);
  }

  /** Called between two batches. Restarts the numbering of values and the templates if they are full. */
  startOver(): void {
    this.documents.templates.startOver();
    if (this.#exports.full.value === 0) return;
    this.#exports.beginNumbers(this.#interner);
    this.numbering = {};
  }

  /** The kinds of the first `count` rows. */
  kinds(likeness: Likeness, count: number): Kinds {
    const [numbers, latencies] = [this.numbers.byteOffset, this.latency.byteOffset];
    return this.#kinds.of(likeness, this.numbering, this.#rows, numbers, latencies, count);
  }

  get position(): number {
    return this.#exports.position.value;
  }

  /** The offset after the value at `at` of an event; 0 if there is none. */
  valueEnd(at: number): number {
    const end = this.#exports.skip(this.#bytes + at, this.#end);
    return end === 0 ? 0 : end - this.#bytes;
  }

  /** Like {@link Batch.inner}; false if the bytes are not an event's, or there is no room for such keys. */
  inner(at: number, key: InnerKey, found: Inner): boolean {
    const keys = this.#place(key, (address) => encodeInnerKey(key, address));
    const [bytes, words] = [this.#bytes, this.#found];
    if (keys === 0 || !this.#exports.inner(keys, bytes + at, this.#end, words.byteOffset)) return false;
    found.end = words[0] - bytes;
    found.start = words[1] === 0 ? 0 : words[1] - bytes;
    found.stop = words[2] === 0 ? 0 : words[2] - bytes;
    found.elsewhere = words[3] !== 0;
    return true;
  }

  /**
   * Fills a column in this memory with the times in a field of the first `count` rows, if they have the form that kube-apiserver
   * writes; all others become NaN. Returns how many values have another form, and may be times nevertheless.
   */
  times(field: number, count: number, column: Float64Array): number {
    const offset = 4 * (ROW_HEADER + 2 * field);
    return this.#exports.times(this.#bytes, this.#rows, ROW_BYTES, count, offset, column.byteOffset);
  }

  /** Adds all occurrences of the needles in the first `length` bytes; false if there is no room for such needles. */
  find(needles: Needles, length: number, found: FindList): boolean {
    const set = this.#place(needles, (address) => encodeNeedles(needles, address));
    if (set === 0) return false;
    const { find, foundTo } = this.#exports;
    for (let at = 0; at >= 0; at = foundTo.value) {
      const count = find(set, this.#bytes, at, length, this.#found.byteOffset, MAX_FOUND);
      for (let i = 0; i < count; i++) found.add(this.#found[2 * i], this.#found[2 * i + 1]);
    }
    return true;
  }

  /**
   * The address of an encoded set, which is written when it is first used; 0 if it is too large. When there is no more room, all
   * earlier sets are dropped: most belong to stages of a configuration that is gone.
   */
  #place(what: Needles | InnerKey, encode: (address: number) => Buffer): number {
    const known = this.#sets.get(what);
    if (known !== undefined) return known;
    let set = encode(this.#nextSet);
    if (this.#nextSet + set.length > this.#found.byteOffset) {
      this.#nextSet = this.block.byteOffset;
      this.#sets = new WeakMap();
      set = encode(this.#nextSet);
    }
    const address = set.length <= SETS ? this.#nextSet : 0;
    if (address !== 0) {
      new Uint8Array(this.table.buffer).set(set, address);
      this.#nextSet += upTo16(set.length);
    }
    this.#sets.set(what, address);
    return address;
  }

  #addKey(table: number, [name, field, nested]: Key): void {
    const at = this.#exports.addKey(table, name.length, field, nested, NUMBERED.indexOf(field) + 1);
    new Uint8Array(this.table.buffer).set(Buffer.from(`${name}"`), at);
  }
}

function keyTables(): (readonly Key[])[] {
  const fields = Array.from({ length: FIELD_COUNT }, (_, field) => field);
  const below = (prefix: string) =>
    fields
      .filter(
        (field) => FIELD_PATHS[field].startsWith(prefix) && !FIELD_PATHS[field].slice(prefix.length).includes("."),
      )
      .map((field) => [FIELD_PATHS[field].slice(prefix.length), field] as const);
  const parents = below("").filter(([name]) => FIELD_PATHS.some((path) => path.startsWith(`${name}.`)));
  const nestedOf = (name: string) => parents.findIndex(([parent]) => parent === name) + 1;
  return [
    below("").map(([name, field]) => [name, field, nestedOf(name)] as const),
    ...parents.map(([parent]) => below(`${parent}.`).map(([name, field]) => [name, field, 0] as const)),
  ];
}

/** Encodes a key in the form that `assembly/inner.ts` reads. */
function encodeInnerKey({ outer, inner }: InnerKey, address: number): Buffer {
  const words = Uint32Array.of(address + 16, outer.length, address + 16 + outer.length, inner.length);
  return Buffer.concat([Buffer.from(words.buffer), outer, inner]);
}
