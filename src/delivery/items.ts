import { type Batch, ByteWriter, type EventView, type FramedDocuments, ROW_WORDS, Row } from "../plugin/index.js";
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

/** Words of an item. */
enum Word {
  /** One past its last byte; the next item begins there. */
  end,
  /** 1 if the document lies beside the body. */
  documentKept,
  documentStart,
  documentMembers,
  documentEnd,
  /** One past the last byte of its id in the ids. */
  idEnd,
  /** Index of its run. */
  run,
}

const WORDS = 7;

/**
 * The events of a request in their order, as columns: an event costs no object. Offsets count from the start of the plain
 * body, those of kept documents from the start of what is kept.
 */
export class Items {
  count = 0;
  #words: Uint32Array;
  /** All ids, one behind the other. */
  readonly #ids: ByteWriter;
  readonly #runs: Run[] = [];

  /** @param capacity items that there is room for at first */
  constructor(capacity: number) {
    this.#words = new Uint32Array(capacity * WORDS);
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

  /** Adds the events of rows from `first` on that were just encoded at once, and are to lie at `start` of the body. */
  addFramed(
    batch: Batch,
    first: number,
    { count, ids, idLength, spans }: FramedDocuments,
    start: number,
    ledger: Ledger,
    entry: LedgerEntry,
  ): void {
    this.#joinRows(batch, first, first + count - 1, ledger, entry);
    const idsLength = this.#ids.length;
    this.#ids.copy(ids, 0, count * idLength);
    while (this.#words.length < (this.count + count) * WORDS) this.#grow();
    const words = this.#words;
    const run = this.#runs.length - 1;
    let at = this.count * WORDS;
    for (let index = 0; index < count; index++, at += WORDS) {
      const span = 4 * index;
      words[at + Word.end] = start + spans[span + 3];
      words[at + Word.documentKept] = 0;
      words[at + Word.documentStart] = start + spans[span];
      words[at + Word.documentMembers] = start + spans[span + 1];
      words[at + Word.documentEnd] = start + spans[span + 2];
      words[at + Word.idEnd] = idsLength + (index + 1) * idLength;
      words[at + Word.run] = run;
    }
    this.count += count;
  }

  /** Adds an item of another request, which ends at `end` here, and whose document lies `by` bytes further on. */
  addOf(items: Items, index: number, end: number, kept: boolean, by: number): void {
    const run = items.#runs[items.#word(index, Word.run)];
    if (this.#runs[this.#runs.length - 1] !== run) this.#runs.push(run);
    this.#ids.copy(items.#ids.bytes, items.#idStart(index), items.#word(index, Word.idEnd));
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
    return this.#word(index, Word.documentKept) === 1;
  }

  id(index: number): string {
    return Buffer.from(this.#ids.bytes.subarray(this.#idStart(index), this.#word(index, Word.idEnd))).toString(
      "latin1",
    );
  }

  /** True if the item may have been sent before this request. */
  unsure(index: number): boolean {
    return this.#runs[this.#word(index, Word.run)].entry.unsure;
  }

  /** True if any may have been. */
  get anyUnsure(): boolean {
    return this.#runs.some(({ entry }) => entry.unsure);
  }

  /** One item is delivered or a dead letter: its run is acknowledged with its last one. */
  acknowledge(index: number): void {
    const run = this.#runs[this.#word(index, Word.run)];
    if (--run.left === 0) run.ledger.acknowledge(run.entry, run.from, run.to);
  }

  /** All are delivered: so are their runs, as far as they are in no other request. */
  acknowledgeAll(): void {
    for (let index = 0; index < this.count; index++) this.acknowledge(index);
  }

  #word(index: number, word: Word): number {
    return this.#words[index * WORDS + word];
  }

  #idStart(index: number): number {
    return index === 0 ? 0 : this.#word(index - 1, Word.idEnd);
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
    const at = this.count++ * WORDS;
    if (at === this.#words.length) this.#grow();
    const words = this.#words;
    words[at + Word.end] = end;
    words[at + Word.documentKept] = kept ? 1 : 0;
    words[at + Word.documentStart] = document.start;
    words[at + Word.documentMembers] = document.members;
    words[at + Word.documentEnd] = document.end;
    words[at + Word.idEnd] = this.#ids.length;
    words[at + Word.run] = this.#runs.length - 1;
  }

  #grow(): void {
    const grown = new Uint32Array(2 * this.#words.length);
    grown.set(this.#words);
    this.#words = grown;
  }
}
