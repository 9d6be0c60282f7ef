import type { ByteRange, FileRef, Position, StoredPosition } from "../plugin/index.js";
import { comparePositions } from "../plugin/index.js";

/** What a sink already has beyond its cursor. */
export type DoneRange = ByteRange;

/** A cursor as it is stored: the position, and what lies beyond it that is done. */
export interface StoredCursor extends StoredPosition {
  ranges?: DoneRange[];
}

/** One batch of a sink: how much of it is not acknowledged yet. */
export interface LedgerEntry {
  readonly start: Position;
  end: Position;
  /** Its events may have been sent before. */
  readonly unsure: boolean;
  /** Runs of the batch's events that are in requests and not acknowledged. */
  outstanding: number;
  /** True once every event of the batch was offered. */
  sealed: boolean;
  /** Runs that are acknowledged while others are not. */
  done: { from: number; to: number }[];
}

/**
 * What one sink has of one source, or of a section of it: batches in order with the runs outstanding in each. The cursor is
 * the end of the last batch before which nothing is outstanding; what is acknowledged beyond it is kept as ranges.
 */
export class Ledger {
  /** Called when there is more to write down: the cursor moved, or a sink that parks left ranges beyond it. */
  onAdvance: () => void = () => {};
  #cursor: Position | undefined;
  #ranges: DoneRange[];
  #entries: LedgerEntry[] = [];
  /** What lies before it may have been sent. */
  #sent: Position | undefined;
  /** What lies behind the cursor, as long as something before that is not done. */
  #passed: DoneRange[] | undefined;

  constructor(cursor?: Position, ranges: DoneRange[] = []) {
    this.#cursor = cursor;
    this.#ranges = ranges;
  }

  /** The ledger of a section that begins ahead of what the sink has: until {@link join}, what it passes is kept as ranges. */
  static ahead(start: Position): Ledger {
    const ledger = new Ledger(start);
    ledger.#passed = [];
    return ledger;
  }

  /** True while something before its section is not done. */
  get isAhead(): boolean {
    return this.#passed !== undefined;
  }

  /** What lies before it may have been sent; see {@link mayBeSent}. */
  get sent(): Position | undefined {
    return this.#sent;
  }

  /** Everything before the section is done: the cursor says it all. */
  join(): void {
    this.#passed = undefined;
  }

  get cursor(): Position | undefined {
    return this.#cursor;
  }

  /** Where the next batch starts; undefined before the first. */
  get end(): Position | undefined {
    return this.#entries.at(-1)?.end ?? this.#cursor;
  }

  /** True if something is offered and not acknowledged. */
  get busy(): boolean {
    return this.#entries.length > 0;
  }

  /** Sets where the sink starts, before its first batch. */
  begin(position: Position): void {
    this.#cursor ??= position;
  }

  /** What lies before `position` may have been sent, by an agent or a runner before: its acknowledgement is not known. */
  mayBeSent(position: Position | undefined): void {
    if (compareCursors(position, this.#sent) > 0) this.#sent = position;
  }

  /** Begins a batch; batches come in the order of the log. */
  open(start: Position, end: Position): LedgerEntry {
    const unsure = this.#sent !== undefined && comparePositions(start, this.#sent) < 0;
    const entry: LedgerEntry = { start, end, unsure, outstanding: 0, sealed: false, done: [] };
    this.#cursor ??= start;
    this.#entries.push(entry);
    return entry;
  }

  /** Everything of the batch was offered; from now on it is done when nothing is outstanding. */
  seal(entry: LedgerEntry): void {
    entry.sealed = true;
    this.#advance(entry);
  }

  /** No more of the batch is offered: it ends before the line at `offset`, and what comes from there is offered later. */
  cut(entry: LedgerEntry, offset: number): void {
    entry.end = { file: entry.start.file, offset };
    this.seal(entry);
  }

  /** A run of the batch, lines [from, to) of its file, is acknowledged. */
  acknowledge(entry: LedgerEntry, from: number, to: number): void {
    entry.outstanding--;
    if (isDone(entry)) this.#advance(entry);
    else entry.done.push({ from, to });
  }

  /** True if the sink has the line at this offset already. */
  has(file: FileRef, offset: number): boolean {
    for (const range of this.#ranges) {
      if (range.file === file.fingerprint && offset >= range.from && offset < range.to) return true;
    }
    return false;
  }

  /** True if {@link has} can be true for some line at or after `offset` of the file: spares the look per line. */
  mayHave(file: FileRef): boolean {
    return this.#ranges.some((range) => range.file === file.fingerprint);
  }

  /** Forgets what is outstanding, as when the sink parks: it will be offered again from the cursor, less what is done. */
  drop(): void {
    this.#ranges = this.ranges();
    this.mayBeSent(this.#entries.at(-1)?.end);
    if (this.#passed) this.#passed = [];
    this.#entries = [];
    if (this.#ranges.length > 0) this.onAdvance();
  }

  /** The cursor to write down, with the ranges beyond it; undefined before the first batch. */
  stored(): StoredCursor | undefined {
    const cursor = this.#cursor;
    if (!cursor) return undefined;
    const ranges = this.ranges();
    const stored: StoredCursor = { file: cursor.file.fingerprint, offset: cursor.offset };
    return ranges.length > 0 ? { ...stored, ranges } : stored;
  }

  /** What is done beyond the cursor, and behind it in a section that is ahead; ranges do not overlap. */
  ranges(): DoneRange[] {
    const ranges = [...(this.#passed ?? []), ...this.#ranges];
    for (const entry of this.#entries) {
      const { start, end, done } = entry;
      const file = start.file.fingerprint;
      if (isDone(entry)) ranges.push({ file, from: start.offset, to: end.offset });
      else for (const run of done) ranges.push({ file, ...run });
    }
    return mergeRanges(ranges);
  }

  /** After something of this batch is done. */
  #advance(entry: LedgerEntry): void {
    let moved = false;
    while (this.#entries.length > 0 && isDone(this.#entries[0])) {
      const { start, end } = this.#entries.shift()!;
      this.#cursor = end;
      this.#pass(start, end);
      this.#forgetRangesBefore(end);
      moved = true;
    }
    if (moved) this.onAdvance();
    else if (isDone(entry)) this.#join(entry);
  }

  /** Makes one of a batch that is done and its neighbours that are: as long as one before them is not, more and more come. */
  #join(entry: LedgerEntry): void {
    const index = this.#entries.lastIndexOf(entry);
    for (const at of [index + 1, index]) {
      const [first, second] = this.#entries.slice(Math.max(0, at - 1), at + 1);
      if (!second || !isDone(first) || !isDone(second) || comparePositions(first.end, second.start) !== 0) continue;
      first.end = second.end;
      this.#entries.splice(at, 1);
    }
  }

  #pass(start: Position, end: Position): void {
    if (!this.#passed) return;
    const last = this.#passed.at(-1);
    const file = start.file.fingerprint;
    if (last?.file === file && last.to === start.offset) last.to = end.offset;
    else this.#passed.push({ file, from: start.offset, to: end.offset });
  }

  #forgetRangesBefore({ file, offset }: Position): void {
    if (this.#ranges.length === 0) return;
    this.#ranges = this.#ranges.filter((range) => range.file !== file.fingerprint || range.to > offset);
  }
}

/** True if all of it was offered, and is acknowledged. */
const isDone = ({ sealed, outstanding }: LedgerEntry): boolean => sealed && outstanding === 0;

/** Negative, zero or positive as `a` lies before, at or after `b`; a cursor that is not known yet lies first. */
export function compareCursors(a: Position | undefined, b: Position | undefined): number {
  if (a && b) return comparePositions(a, b);
  return Number(a !== undefined) - Number(b !== undefined);
}

/** The same bytes as ranges that do not overlap, in the order of files' fingerprints and offsets. */
export function mergeRanges(ranges: readonly DoneRange[]): DoneRange[] {
  const sorted = [...ranges].sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.from - b.from));
  const merged: DoneRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last && last.file === range.file && range.from <= last.to) last.to = Math.max(last.to, range.to);
    else merged.push({ ...range });
  }
  return merged;
}
