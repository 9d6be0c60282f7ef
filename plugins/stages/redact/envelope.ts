import {
  type Batch,
  FIELD_PATHS,
  Field,
  Flag,
  OPEN_BRACE,
  OPEN_BRACKET,
  ROW_HEADER,
  ROW_WORDS,
  Row,
} from "../../../src/plugin/index.js";
import { About } from "./about.js";
import type { Resources } from "./resources.js";
import { Trace, type Traces } from "./search.js";

/** Bits that say which parts of a row to look at. */
export enum Mark {
  /** A string may hold a secret recognisable by its shape. */
  text = 1,
  /** The query of the requestURI. */
  query = 2,
  /** A string in the annotations may hold JSON. */
  annotations = 4,
  /** A user has `extra`. */
  extra = 8,
  /** A failure has a message or details. */
  message = 16,
  /** The bodies, because of what they are about or what was found in them. */
  bodies = 32,
  /** Users are pseudonymized. */
  names = 64,
  everything = 127,
}

/** The fields at an event's top level; none contains another. */
export const TOP_FIELDS: readonly Field[] = FIELD_PATHS.flatMap((path, field) => (path.includes(".") ? [] : [field]));

const INVISIBLE = Flag.invalid | Flag.dropped;
const MESSAGE = startOf(Field.responseStatusMessage);
const DETAILS = startOf(Field.responseStatusDetails);
const REQUEST = startOf(Field.requestObject);
const RESPONSE = startOf(Field.responseObject);
const ANNOTATIONS = startOf(Field.annotations);

/** Finds the rows to look at, and which of their parts. */
export class Marks {
  #marks = new Uint8Array(1024);

  /**
   * @param always marks of every row
   * @param anyJson mark any JSON in the annotations, not only JSON that may hold secrets
   */
  constructor(
    private readonly resources: Resources,
    private readonly always: number,
    private readonly anyJson: boolean,
  ) {}

  /** {@link Mark} bits by row; valid until the next call. */
  find(batch: Batch, traces: Traces): Uint8Array {
    const { count, table, bytes } = batch;
    if (this.#marks.length < count) this.#marks = new Uint8Array(2 * count);
    const marks = this.#marks.fill(this.always, 0, count);
    markTraces(batch, traces, marks);
    for (let row = 0, base = 0; row < count; row++, base += ROW_WORDS) {
      const flags = table[base + Row.flags];
      if (flags & INVISIBLE) marks[row] = 0;
      else if (flags & Flag.irregular) marks[row] = Mark.everything;
      else {
        if ((table[base + MESSAGE] | table[base + DETAILS]) !== 0) marks[row] |= Mark.message;
        const annotations = table[base + ANNOTATIONS];
        if (this.anyJson && holdsBracket(bytes, annotations + 1, table[base + ANNOTATIONS + 1])) {
          marks[row] |= Mark.annotations;
        }
        const request = table[base + REQUEST];
        const response = table[base + RESPONSE];
        if ((request | response) === 0 || (marks[row] & Mark.bodies) !== 0) continue;
        // A JSON patch, or a Secret sent in another form, is walked for what it is.
        const isList = bytes[request] === OPEN_BRACKET || bytes[response] === OPEN_BRACKET;
        if (isList || this.resources.of(batch, row) !== About.nothing) marks[row] |= Mark.bodies;
      }
    }
    return marks;
  }
}

function holdsBracket(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === OPEN_BRACE || bytes[at] === OPEN_BRACKET) return true;
  return false;
}

/** Marks the rows that contain traces. */
function markTraces(batch: Batch, traces: Traces, marks: Uint8Array): void {
  const envelope = new Envelope(batch);
  let resume = 0;
  for (let i = 0; i < traces.count; i++) {
    const at = traces.at(i);
    if (at < resume) continue;
    resume = envelope.locate(at);
    if (resume < 0) marks[envelope.row] |= markOf(traces, i, envelope);
    else if (envelope.inBody) marks[envelope.row] |= Mark.bodies;
  }
}

function markOf(traces: Traces, index: number, envelope: Envelope): Mark | 0 {
  const at = traces.at(index);
  switch (traces.trace(index)) {
    case Trace.shape:
    case Trace.escape:
      return Mark.text;
    case Trace.url:
      return traces.hasPassword(index) ? Mark.text : 0;
    case Trace.kind:
      return traces.isInString(index) ? Mark.text : 0;
    case Trace.json:
    case Trace.base64:
      return envelope.isIn(Field.annotations, at) ? Mark.annotations : 0;
    case Trace.extra:
      return Mark.extra;
    case Trace.proxy:
    case Trace.query:
      return envelope.isIn(Field.requestURI, at) ? Mark.query : 0;
    default:
      return 0;
  }
}

/** Iterates over the rows of a batch, in rising order of offsets. */
class Envelope {
  row = 0;
  /** Whether the offset located last is in a body. */
  inBody = false;

  constructor(private readonly batch: Batch) {}

  /**
   * Moves to the row that contains `at`. Returns -1 if that is in its envelope; otherwise the offset at which to go on. Offsets
   * must not fall.
   */
  locate(at: number): number {
    const { table, count, length } = this.batch;
    this.inBody = false;
    while (this.row < count && table[this.row * ROW_WORDS + Row.end] <= at) this.row++;
    if (this.row === count) return length;
    const base = this.row * ROW_WORDS;
    if (at < table[base + Row.start]) return table[base + Row.start];
    if (table[base + Row.flags] & (Flag.invalid | Flag.dropped)) return table[base + Row.end];
    if (this.isIn(Field.requestObject, at)) return this.#pass(Field.requestObject);
    if (this.isIn(Field.responseObject, at)) return this.#pass(Field.responseObject);
    return -1;
  }

  #pass(body: Field): number {
    this.inBody = true;
    return this.endOf(body);
  }

  isIn(field: Field, at: number): boolean {
    const start = this.batch.table[this.row * ROW_WORDS + ROW_HEADER + 2 * field];
    return start !== 0 && start <= at && at < this.endOf(field);
  }

  endOf(field: Field): number {
    return this.batch.table[this.row * ROW_WORDS + ROW_HEADER + 2 * field + 1];
  }
}

/** The word of a row with the start of a field's value. */
function startOf(field: Field): number {
  return ROW_HEADER + 2 * field;
}
