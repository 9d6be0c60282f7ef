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

/** Consecutive items of one run whose documents lie in one place. Their ids are of one length, since they are of one file. */
interface Part {
  readonly run: Run;
  /** Index of its first item. */
  readonly first: number;
  count: number;
  /** Where its first id begins. */
  readonly ids: number;
  readonly idLength: number;
  /** True if their documents lie beside the body. */
  readonly kept: boolean;
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
  /** All ids, one behind the other. */
  readonly #ids: ByteWriter;
  /** In the order of their items. */
  readonly #parts: Part[] = [];

  /** @param capacity items that there is room for at first */
  constructor(capacity: number) {
    this.#spans = new Uint32Array(capacity * SPAN_WORDS);
    this.#ids = new ByteWriter(capacity * 40);
  }

  /** Forgets them; keeps the memory. */
  clear(): void {
    this.count = 0;
    this.#ids.clear();
    this.#parts.length = 0;
  }

  /** Adds the event that was just encoded into `out`; `kept` is where its document was put, if that is not in there. */
  add(event: EventView, out: ByteWriter, kept: ByteWriter | undefined, ledger: Ledger, entry: LedgerEntry): void {
    const run = this.#joinRows(event.batch, event.row, event.row, ledger, entry);
    const before = this.#ids.length;
    event.writeId(this.#ids);
    this.#setSpan(out.length, (kept ?? out).document);
    this.#extend(1, run, this.#ids.length - before, kept !== undefined);
  }

  /** Adds the events of rows from `first` on that were just written at once. */
  addFramed(batch: Batch, first: number, documents: FramedDocuments, ledger: Ledger, entry: LedgerEntry): void {
    const { count, ids, idLength, spans } = documents;
    const run = this.#joinRows(batch, first, first + count - 1, ledger, entry);
    this.#ids.copy(ids, 0, count * idLength);
    this.#reserve(count);
    this.#spans.set(spans.subarray(0, count * SPAN_WORDS), this.count * SPAN_WORDS);
    this.#extend(count, run, idLength, false);
  }

  /** Adds an item of another request, which ends at `end` here, and whose document lies `by` bytes further on. */
  addOf(items: Items, index: number, end: number, kept: boolean, by: number): void {
    const { run, idLength } = items.#part(index);
    const id = items.#idStart(index);
    this.#ids.copy(items.#ids.bytes, id, id + idLength);
    const { start, members, end: documentEnd } = items.document(index);
    this.#setSpan(end, { start: start + by, members: members + by, end: documentEnd + by });
    this.#extend(1, run, idLength, kept);
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
    return this.#part(index).kept;
  }

  id(index: number): string {
    const start = this.#idStart(index);
    return this.#ids.bytes.toString("latin1", start, start + this.#part(index).idLength);
  }

  /** True if the item may have been sent before this request. */
  unsure(index: number): boolean {
    return this.#part(index).run.entry.unsure;
  }

  /** True if any may have been. */
  get anyUnsure(): boolean {
    return this.#parts.some(({ run }) => run.entry.unsure);
  }

  /** One item is delivered or a dead letter: its run is acknowledged with its last one. */
  acknowledge(index: number): void {
    this.#acknowledge(this.#part(index).run, 1);
  }

  /** All are delivered: so are their runs, as far as they are in no other request. */
  acknowledgeAll(): void {
    for (const { run, count } of this.#parts) this.#acknowledge(run, count);
  }

  #acknowledge(run: Run, count: number): void {
    run.left -= count;
    if (run.left === 0) run.ledger.acknowledge(run.entry, run.from, run.to);
  }

  /** The part that an item is in: found by halving, since a request of many batches has many. */
  #part(index: number): Part {
    const parts = this.#parts;
    let [low, high] = [0, parts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (parts[middle].first <= index) low = middle;
      else high = middle - 1;
    }
    return parts[low];
  }

  #word(index: number, word: Word): number {
    return this.#spans[index * SPAN_WORDS + word];
  }

  #idStart(index: number): number {
    const { first, ids, idLength } = this.#part(index);
    return ids + (index - first) * idLength;
  }

  /** Makes the events of the rows [first, last] part of the last run, or of a new one. */
  #joinRows(batch: Batch, first: number, last: number, ledger: Ledger, entry: LedgerEntry): Run {
    const to = batch.offset + batch.table[last * ROW_WORDS + Row.lineEnd] + 1;
    const count = last - first + 1;
    const run = this.#parts.at(-1)?.run;
    if (run?.entry === entry) {
      run.to = to;
      run.left += count;
      return run;
    }
    entry.outstanding++;
    return { ledger, entry, from: batch.offset + batch.table[first * ROW_WORDS + Row.line], to, left: count };
  }

  /** Makes items of the ids and spans that were just appended. */
  #extend(count: number, run: Run, idLength: number, kept: boolean): void {
    const last = this.#parts.at(-1);
    if (last && last.run === run && last.kept === kept) last.count += count;
    else this.#parts.push({ run, first: this.count, count, ids: this.#ids.length - count * idLength, idLength, kept });
    this.count += count;
  }

  /** The span of the next item. */
  #setSpan(end: number, document: DocumentSpan): void {
    this.#reserve(1);
    const at = this.count * SPAN_WORDS;
    const spans = this.#spans;
    spans[at + Word.documentStart] = document.start;
    spans[at + Word.documentMembers] = document.members;
    spans[at + Word.documentEnd] = document.end;
    spans[at + Word.end] = end;
  }

  /** Makes room for the spans of so many items more. */
  #reserve(count: number): void {
    while (this.#spans.length < (this.count + count) * SPAN_WORDS) {
      const grown = new Uint32Array(2 * this.#spans.length);
      grown.set(this.#spans);
      this.#spans = grown;
    }
  }
}
