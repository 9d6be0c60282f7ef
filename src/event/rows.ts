import { Flag, type InvalidLine, type InvalidReason, NUMBERED, ROW_WORDS, Row } from "../plugin/index.js";

/** The memory that holds the rows of a batch. */
export interface RowMemory {
  readonly table: Uint32Array<ArrayBuffer>;
  readonly numbers: Uint16Array<ArrayBuffer>;
  readonly time: Float64Array<ArrayBuffer>;
  readonly latency: Float64Array<ArrayBuffer>;
}

function heapRows(capacity: number): RowMemory {
  return {
    table: new Uint32Array(capacity * ROW_WORDS),
    numbers: new Uint16Array(capacity * NUMBERED.length),
    time: new Float64Array(capacity).fill(Number.NaN),
    latency: new Float64Array(capacity).fill(Number.NaN),
  };
}

/**
 * The rows of a batch: the field table and the columns beside it. It grows, is reused, and keeps every row beyond `count` zero (NaN
 * in the columns).
 */
export class Rows {
  count = 0;
  table: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  /** See {@link Batch.numbers}. */
  numbers: Uint16Array<ArrayBuffer> = new Uint16Array(0);
  /** See {@link Batch.time}, {@link Batch.latency}. */
  time: Float64Array<ArrayBuffer> = new Float64Array(0);
  latency: Float64Array<ArrayBuffer> = new Float64Array(0);
  /** Why rows are invalid. Length and hash are stored only if they cannot be computed from the bytes. */
  private readonly reasons = new Map<number, Partial<InvalidLine> & { reason: InvalidReason }>();

  /**
   * @param capacity rows that there is always room for; a larger memory is used only for lists that need it
   * @param home the memory used up to that capacity: table and numbers all zero, the columns all NaN
   */
  constructor(
    private readonly capacity: number,
    private readonly home: RowMemory = heapRows(capacity),
  ) {
    this.resize(capacity);
  }

  /** True unless the rows have moved to a larger memory. */
  get atHome(): boolean {
    return this.table === this.home.table;
  }

  /** Removes all rows. */
  clear(): void {
    this.truncate(0);
    if (this.time.length > this.capacity) this.resize(this.capacity);
  }

  /** Adds an empty row; returns its first word in `table` (which may be a new, larger one). */
  add(): number {
    if (this.count === this.time.length) this.resize(2 * this.count);
    return this.count++ * ROW_WORDS;
  }

  /** Sets the line that the last row belongs to. */
  place(line: number, lineEnd: number, item = 0): void {
    const base = (this.count - 1) * ROW_WORDS;
    this.table[base + Row.line] = line;
    this.table[base + Row.lineEnd] = lineEnd;
    this.table[base + Row.item] = item;
    if (item > 0) this.table[base + Row.flags] |= Flag.item;
  }

  /** Sets flags of the last row. */
  addFlags(flags: number): void {
    this.table[(this.count - 1) * ROW_WORDS + Row.flags] |= flags;
  }

  /** Adds a row for the bytes [start, end), which are not an event. */
  addInvalid(reason: InvalidReason, start: number, end: number, known?: { length: number; sha256: string }): void {
    const base = this.add();
    this.table[base + Row.start] = start;
    this.table[base + Row.end] = end;
    this.table[base + Row.flags] = Flag.invalid;
    this.reasons.set(this.count - 1, { reason, ...known });
  }

  /** What is known about an invalid row. */
  invalid(row: number): (Partial<InvalidLine> & { reason: InvalidReason }) | undefined {
    return this.reasons.get(row);
  }

  /** Removes the rows from `count` on. */
  truncate(count: number): void {
    this.table.fill(0, count * ROW_WORDS, this.count * ROW_WORDS);
    this.numbers.fill(0, count * NUMBERED.length, this.count * NUMBERED.length);
    this.time.fill(Number.NaN, count, this.count);
    this.latency.fill(Number.NaN, count, this.count);
    for (const row of this.reasons.keys()) if (row >= count) this.reasons.delete(row);
    this.count = count;
  }

  /** Makes room for `capacity` rows, and keeps the rows that there are. */
  private resize(capacity: number): void {
    const { table, numbers, time, latency, count } = this;
    const memory = capacity === this.capacity ? this.home : heapRows(capacity);
    this.table = memory.table;
    this.numbers = memory.numbers;
    this.time = memory.time;
    this.latency = memory.latency;
    if (table === memory.table) return;
    this.table.set(table.subarray(0, count * ROW_WORDS));
    this.numbers.set(numbers.subarray(0, count * NUMBERED.length));
    this.time.set(time.subarray(0, count));
    this.latency.set(latency.subarray(0, count));
    if (table === this.home.table) {
      table.fill(0, 0, count * ROW_WORDS);
      numbers.fill(0, 0, count * NUMBERED.length);
      time.fill(Number.NaN, 0, count);
      latency.fill(Number.NaN, 0, count);
    }
  }
}
