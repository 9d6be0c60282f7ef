import { type Batch, FIELD_PATHS, Field, Flag, ROW_HEADER, ROW_WORDS, Row } from "../../../src/plugin/index.js";
import { Trace, type Traces } from "./search.js";
import { isHarmlessQuery } from "./uri.js";

/** Bits: what was found in a row outside its bodies. */
export enum Mark {
  /** A string may hold a secret known by its shape. */
  text = 1,
  /** The requestURI has a query that needs a look. */
  query = 2,
  /** A string in the annotations may hold JSON. */
  annotations = 4,
  /** There is an `extra` of a user. */
  extra = 8,
  everything = 15,
}

/** The fields at an event's top level: all of them lie side by side in the event. */
export const TOP_FIELDS: readonly Field[] = FIELD_PATHS.flatMap((path, field) => (path.includes(".") ? [] : [field]));

/** Tells the rows whose envelope needs a look. */
export class Marks {
  #marks = new Uint8Array(1024);

  /** {@link Mark} bits by row; valid until the next call. */
  find(batch: Batch, traces: Traces): Uint8Array {
    if (this.#marks.length < batch.count) this.#marks = new Uint8Array(2 * batch.count);
    const marks = this.#marks.fill(0, 0, batch.count);
    const envelope = new Envelope(batch);
    let resume = 0;
    for (let i = 0; i < traces.count; i++) {
      const at = traces.at(i);
      if (at < resume) continue;
      resume = envelope.locate(at);
      if (resume < 0) marks[envelope.row] |= markOf(traces, i, envelope, marks[envelope.row]);
    }
    return marks;
  }
}

/** @param known what was found in the row before */
function markOf(traces: Traces, index: number, envelope: Envelope, known: number): Mark | 0 {
  const at = traces.at(index);
  switch (traces.trace(index)) {
    case Trace.shape:
      return Mark.text;
    case Trace.escape:
      return traces.hides(index) ? Mark.text : 0;
    case Trace.url:
      return traces.hasPassword(index) ? Mark.text : 0;
    case Trace.json:
    case Trace.base64:
      return envelope.isIn(Field.annotations, at) ? Mark.annotations : 0;
    case Trace.extra:
      return Mark.extra;
    case Trace.proxy:
      return envelope.isIn(Field.requestURI, at) ? Mark.query : 0;
    case Trace.query:
      if ((known & Mark.query) !== 0 || !envelope.isIn(Field.requestURI, at)) return 0;
      return isHarmlessQuery(traces.bytes, at, envelope.endOf(Field.requestURI) - 1) ? 0 : Mark.query;
    default:
      return 0;
  }
}

/** The rows of a batch, passed through in rising order of offsets. */
class Envelope {
  row = 0;

  constructor(private readonly batch: Batch) {}

  /** Moves to the row that `at` lies in: -1 if it is in its envelope, else where to go on. Offsets must not fall. */
  locate(at: number): number {
    const { table, count, length } = this.batch;
    while (this.row < count && table[this.row * ROW_WORDS + Row.end] <= at) this.row++;
    if (this.row === count) return length;
    const base = this.row * ROW_WORDS;
    if (at < table[base + Row.start]) return table[base + Row.start];
    if (table[base + Row.flags] & (Flag.invalid | Flag.dropped)) return table[base + Row.end];
    if (this.isIn(Field.requestObject, at)) return this.endOf(Field.requestObject);
    if (this.isIn(Field.responseObject, at)) return this.endOf(Field.responseObject);
    return -1;
  }

  isIn(field: Field, at: number): boolean {
    const start = this.batch.table[this.row * ROW_WORDS + ROW_HEADER + 2 * field];
    return start !== 0 && start <= at && at < this.endOf(field);
  }

  endOf(field: Field): number {
    return this.batch.table[this.row * ROW_WORDS + ROW_HEADER + 2 * field + 1];
  }
}
