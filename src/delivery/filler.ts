import {
  type Batch,
  type EventView,
  type Host,
  ROW_WORDS,
  Row,
  type SendingSink,
  type SizeLimit,
} from "../plugin/index.js";
import { Frames } from "./frames.js";
import type { Ledger, LedgerEntry } from "./ledger.js";
import type { RequestBuilder } from "./request.js";
import type { RunnerOptions } from "./runner.js";

/** What our members and the far end's framing add to an event, about. */
const MEMBERS = 512;

/** Takes an event that the sink cannot encode. */
type OnFailed = (error: Error, event: EventView, ledger: Ledger, entry: LedgerEntry) => void;

/** Fills requests with the events of batches: those that have a frame many at once, others one by one. */
export class Filler {
  readonly #sink: SendingSink;
  readonly #now: () => number;
  readonly #select: RunnerOptions["select"];
  readonly #maxBytes: number;
  readonly #size: SizeLimit;
  readonly #maxEvents: number;
  readonly #onFailed: OnFailed;
  readonly #frames: Frames;

  /** @param size how large requests may be now */
  constructor(
    sink: SendingSink,
    { now }: Host,
    { select, request }: RunnerOptions,
    size: SizeLimit,
    onFailed: OnFailed,
  ) {
    this.#sink = sink;
    this.#now = now;
    this.#select = select;
    this.#maxBytes = request.maxBytes;
    this.#size = size;
    this.#maxEvents = Math.min(request.maxEvents, sink.maxEvents ?? request.maxEvents);
    this.#onFailed = onFailed;
    this.#frames = new Frames(sink);
  }

  /** True if a request has no room for this event beside what it has. */
  isFull(builder: RequestBuilder, batch: Batch, row: number): boolean {
    if (builder.count === 0) return false;
    return builder.bytes + sizeIn(batch.table, row) > this.#size.current || builder.count >= this.#maxEvents;
  }

  /** True for an event that is larger than any request is to be. */
  isOversized(batch: Batch, row: number): boolean {
    return sizeIn(batch.table, row) > this.#maxBytes;
  }

  /** Adds one event; one that the sink cannot encode is given away. */
  add(event: EventView, builder: RequestBuilder, ledger: Ledger, entry: LedgerEntry): void {
    if (builder.count === 0) builder.since = this.#now();
    try {
      builder.add(this.#sink, event, ledger, entry);
    } catch (error) {
      this.#onFailed(error as Error, event, ledger, entry);
    }
  }

  /** Adds the events from `first` on that are selected, have one frame and room in this request, many at once; returns where it stops. */
  addFramed(batch: Batch, first: number, builder: RequestBuilder, ledger: Ledger, entry: LedgerEntry): number {
    const frame = this.#frames.at(batch.time[first]);
    const last = frame === undefined ? first : this.#runEnd(batch, first, builder);
    if (frame === undefined || last === first) return first;
    if (builder.count === 0) builder.since = this.#now();
    for (let row = first; row < last; ) {
      const count = builder.addFramed(batch, [row, last], frame, ledger, entry);
      if (count === 0) this.add(batch.at(row), builder, ledger, entry);
      row += Math.max(1, count);
    }
    return last;
  }

  /** One past the last of the rows from `first` on that are selected, have one frame, and have room in this request. */
  #runEnd(batch: Batch, first: number, builder: RequestBuilder): number {
    const { table, time } = batch;
    let room = this.#size.current - builder.bytes;
    // A line of many events may have filled it beyond its bound.
    const left = Math.max(0, this.#maxEvents - builder.count);
    const end = Math.min(batch.count, first + left);
    for (let row = first; row < end; row++) {
      room -= sizeIn(table, row);
      if (room < 0 || !this.#frames.covers(time[row]) || !this.#select(batch, row)) return row;
    }
    return end;
  }
}

/** About the bytes that an event takes in a request. */
function sizeIn(table: Uint32Array, row: number): number {
  const at = row * ROW_WORDS;
  return table[at + Row.end] - table[at + Row.start] + MEMBERS;
}
