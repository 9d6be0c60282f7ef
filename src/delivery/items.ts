import {
  type Batch,
  ByteWriter,
  type EventView,
  type FramedDocuments,
  ROW_WORDS,
  Row,
  SPAN_WORDS,
} from "../plugin/index.js";
import type { Ledger, LedgerEntry } from "./ledger.js";

/** Consecutive events of one batch in one request: what is acknowledged at once. */
export interface Run {
  readonly ledger: Ledger;
  readonly entry: LedgerEntry;
  /** First byte of its first line, one past its last line, in the file. */
  readonly from: number;
  to: number;
  /** Items not acknowledged yet. */
  left: number;
}

/** Where an item's native document lies: its start, where our members begin, its end. */
export interface DocumentSpan {
  readonly start: number;
  readonly members: number;
  readonly end: number;
}

/** Words of an item's span, as in `FramedDocuments`; the next item begins at the end of its frame. */
enum Word {
  documentStart,
  documentMembers,
  documentEnd,
  end,
}

/**
 * The events of a request in their order, as columns: an event costs no object. Offsets count from the start of the plain
 * body, those of kept documents from the start of what is kept.
 */
export class Items {
  count = 0;
  /** {@link SPAN_WORDS} for each. */
  #spans: Uint32Array;
  /** One past the last byte of each one's id in the ids. */
  #idEnds: Uint32Array;
  /** Twice the index of each one's run; one more if its document lies beside the body. */
  #runOf: Uint32Array;
  /** All ids, one behind the other. */
  readonly #ids: ByteWriter;
  readonly #runs: Run[] = [];

  /** @param capacity items that there is room for at first */
  constructor(capacity: number) {
    this.#spans = new Uint32Array(capacity * SPAN_WORDS);
    this.#idEnds = new Uint32Array(capacity);
    this.#runOf = new Uint32Array(capacity);
    this.#ids = new ByteWriter(capacity * 40);
  }

  /** Forgets them; keeps the memory. */
  clear(): void {
    this.count = 0;
    this.#ids.clear();
    this.#runs.length = 0;
  }

  /** Adds the event that was just encoded into `out`; `kept` is where its document was put, if that is not in there. */
  add(event: EventView, out: ByteWriter, kept: ByteWriter | undefined, ledger: Ledger, entry: LedgerEntry): void {
    this.#joinRows(event.batch, event.row, event.row, ledger, entry);
    event.writeId(this.#ids);
    this.#push(out.length, kept !== undefined, (kept ?? out).document);
  }

  /** Adds the events of rows from `first` on that were just written at once. */
  addFramed(batch: Batch, first: number, documents: FramedDocuments, ledger: Ledger, entry: LedgerEntry): void {
    const { count, ids, idLength, spans } = documents;
    this.#joinRows(batch, first, first + count - 1, ledger, entry);
    let idEnd = this.#ids.length;
    this.#ids.copy(ids, 0, count * idLength);
    while (this.#runOf.length < this.count + count) this.#grow();
    this.#spans.set(spans.subarray(0, count * SPAN_WORDS), this.count * SPAN_WORDS);
    this.#runOf.fill(2 * (this.#runs.length - 1), this.count, this.count + count);
    const idEnds = this.#idEnds;
    for (const end = this.count + count; this.count < end; this.count++) {
      idEnd += idLength;
      idEnds[this.count] = idEnd;
    }
  }

  /** Adds an item of another request, which ends at `end` here, and whose document lies `by` bytes further on. */
  addOf(items: Items, index: number, end: number, kept: boolean, by: number): void {
    const run = items.#run(index);
    if (this.#runs[this.#runs.length - 1] !== run) this.#runs.push(run);
    this.#ids.copy(items.#ids.bytes, items.#idStart(index), items.#idEnds[index]);
    const document = items.document(index);
    this.#push(end, kept, {
      start: document.start + by,
      members: document.members + by,
      end: document.end + by,
    });
  }

  start(index: number): number {
    return index === 0 ? 0 : this.#word(index - 1, Word.end);
  }

  end(index: number): number {
    return this.#word(index, Word.end);
  }

  document(index: number): DocumentSpan {
    return {
      start: this.#word(index, Word.documentStart),
      members: this.#word(index, Word.documentMembers),
      end: this.#word(index, Word.documentEnd),
    };
  }

  /** True if its document lies beside the body. */
  isKept(index: number): boolean {
    return (this.#runOf[index] & 1) === 1;
  }

  id(index: number): string {
    return this.#ids.bytes.toString("latin1", this.#idStart(index), this.#idEnds[index]);
  }

  /** True if the item may have been sent before this request. */
  unsure(index: number): boolean {
    return this.#run(index).entry.unsure;
  }

  /** True if any may have been. */
  get anyUnsure(): boolean {
    return this.#runs.some(({ entry }) => entry.unsure);
  }

  /** One item is delivered or a dead letter: its run is acknowledged with its last one. */
  acknowledge(index: number): void {
    this.#acknowledge(this.#run(index), 1);
  }

  /** All are delivered: so are their runs, as far as they are in no other request. */
  acknowledgeAll(): void {
    for (let index = 0; index < this.count; ) {
      const first = index;
      const run = this.#run(first);
      while (index < this.count && this.#run(index) === run) index++;
      this.#acknowledge(run, index - first);
    }
  }

  #acknowledge(run: Run, count: number): void {
    run.left -= count;
    if (run.left === 0) run.ledger.acknowledge(run.entry, run.from, run.to);
  }

  #run(index: number): Run {
    return this.#runs[this.#runOf[index] >> 1];
  }

  #word(index: number, word: Word): number {
    return this.#spans[index * SPAN_WORDS + word];
  }

  #idStart(index: number): number {
    return index === 0 ? 0 : this.#idEnds[index - 1];
  }

  /** Makes the events of the rows [first, last] part of the last run, or of a new one. */
  #joinRows(batch: Batch, first: number, last: number, ledger: Ledger, entry: LedgerEntry): void {
    const to = batch.offset + batch.table[last * ROW_WORDS + Row.lineEnd] + 1;
    const count = last - first + 1;
    const run = this.#runs[this.#runs.length - 1];
    if (run?.entry === entry) {
      run.to = to;
      run.left += count;
      return;
    }
    this.#runs.push({ ledger, entry, from: batch.offset + batch.table[first * ROW_WORDS + Row.line], to, left: count });
    entry.outstanding++;
  }

  /** Adds an item of the last run, whose id was appended. */
  #push(end: number, kept: boolean, document: DocumentSpan): void {
    const index = this.count++;
    if (index === this.#runOf.length) this.#grow();
    const at = index * SPAN_WORDS;
    const spans = this.#spans;
    spans[at + Word.documentStart] = document.start;
    spans[at + Word.documentMembers] = document.members;
    spans[at + Word.documentEnd] = document.end;
    spans[at + Word.end] = end;
    this.#idEnds[index] = this.#ids.length;
    this.#runOf[index] = 2 * (this.#runs.length - 1) + (kept ? 1 : 0);
  }

  #grow(): void {
    this.#spans = doubled(this.#spans);
    this.#idEnds = doubled(this.#idEnds);
    this.#runOf = doubled(this.#runOf);
  }
}

function doubled(words: Uint32Array): Uint32Array {
  const grown = new Uint32Array(2 * words.length);
  grown.set(words);
  return grown;
}
