import { type Batch, FIELD_PATHS, Field, Flag, ROW_HEADER, ROW_WORDS, Row } from "../../../src/plugin/index.js";
import { AT_SIGN, isForeignEscape, PRIVATE_KEY, TOKEN } from "./search.js";

/** Bits: what was found in a row outside its bodies. */
export enum Mark {
  /** A string may hold a secret known by its shape. */
  text = 1,
  /** An `@`: part of a URL with a password, perhaps. */
  at = 2,
  /** `?`: the requestURI may have a query. */
  query = 4,
  /** The annotations hold JSON in a string. */
  annotations = 8,
  everything = 15,
}

const QUESTION = 0x3f;
const BACKSLASH = 0x5c;
const QUOTE = 0x22;

/** The fields at an event's top level: all of them lie side by side in the event. */
export const TOP_FIELDS: readonly Field[] = FIELD_PATHS.flatMap((path, field) => (path.includes(".") ? [] : [field]));

/** Finds the rows whose envelope needs a look, in a few searches over the whole batch. */
export class Marks {
  #marks = new Uint8Array(1024);

  /** {@link Mark} bits by row; valid until the next call. */
  find(batch: Batch, bytes: Buffer): Uint8Array {
    if (this.#marks.length < batch.count) this.#marks = new Uint8Array(2 * batch.count);
    const marks = this.#marks.fill(0, 0, batch.count);
    const envelope = new Envelope(batch);
    for (const pattern of [TOKEN, PRIVATE_KEY])
      mark(envelope, marks, Mark.text, (from) => pattern.indexIn(bytes, from));
    mark(envelope, marks, Mark.at, (from) => AT_SIGN.indexIn(bytes, from));
    mark(envelope, marks, Mark.query, (from) => bytes.indexOf(QUESTION, from));
    markEscapes(envelope, marks, bytes);
    return marks;
  }
}

/** Sets a bit for the rows in the envelope of which something occurs. */
function mark(envelope: Envelope, marks: Uint8Array, bit: Mark, indexFrom: (from: number) => number): void {
  envelope.rewind();
  for (let at = indexFrom(0); at >= 0; ) {
    const resume = envelope.locate(at);
    if (resume < 0) {
      marks[envelope.row] |= bit;
      at = indexFrom(envelope.end);
    } else at = indexFrom(resume);
  }
}

/** Marks what escapes may hide: JSON in the annotations, and text that no pattern sees. */
function markEscapes(envelope: Envelope, marks: Uint8Array, bytes: Buffer): void {
  envelope.rewind();
  for (let at = bytes.indexOf(BACKSLASH); at >= 0; ) {
    const resume = envelope.locate(at);
    if (resume >= 0) {
      at = bytes.indexOf(BACKSLASH, resume);
      continue;
    }
    if (isForeignEscape(bytes, at)) marks[envelope.row] |= Mark.text;
    else if (bytes[at + 1] === QUOTE && envelope.isIn(Field.annotations, at)) marks[envelope.row] |= Mark.annotations;
    at = bytes.indexOf(BACKSLASH, at + 2);
  }
}

/** The rows of a batch, passed through in rising order of offsets. */
class Envelope {
  row = 0;

  constructor(private readonly batch: Batch) {}

  rewind(): void {
    this.row = 0;
  }

  /** One past the last byte of the row. */
  get end(): number {
    return this.batch.table[this.row * ROW_WORDS + Row.end];
  }

  /** Moves to the row that `at` lies in: -1 if it is in its envelope, else where to go on. Offsets must not fall. */
  locate(at: number): number {
    const { table, count, length } = this.batch;
    while (this.row < count && table[this.row * ROW_WORDS + Row.end] <= at) this.row++;
    if (this.row === count) return length;
    const base = this.row * ROW_WORDS;
    if (at < table[base + Row.start]) return table[base + Row.start];
    if (table[base + Row.flags] & (Flag.invalid | Flag.dropped)) return table[base + Row.end];
    if (this.isIn(Field.requestObject, at)) return this.#endOf(Field.requestObject);
    if (this.isIn(Field.responseObject, at)) return this.#endOf(Field.responseObject);
    return -1;
  }

  isIn(field: Field, at: number): boolean {
    const start = this.batch.table[this.row * ROW_WORDS + ROW_HEADER + 2 * field];
    return start !== 0 && start <= at && at < this.#endOf(field);
  }

  #endOf(field: Field): number {
    return this.batch.table[this.row * ROW_WORDS + ROW_HEADER + 2 * field + 1];
  }
}

const KEY_LENGTHS = FIELD_PATHS.map((path) => path.length);

/**
 * Whether a row is its known fields and nothing else, as Go writes it: no white space, no other members, none twice. Then
 * what the field table knows is all there is.
 */
export function isPlainRow(table: Uint32Array, row: number): boolean {
  const base = row * ROW_WORDS;
  let expected = 1;
  for (const field of TOP_FIELDS) {
    const at = base + ROW_HEADER + 2 * field;
    // "key":value and a comma or the closing brace.
    if (table[at] !== 0) expected += KEY_LENGTHS[field] + 4 + table[at + 1] - table[at];
  }
  return expected === table[base + Row.end] - table[base + Row.start];
}
