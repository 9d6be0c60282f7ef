import { promisify } from "node:util";
import { gunzipSync, gzip } from "node:zlib";
import { ByteWriter, type EventView, type Request, ROW_WORDS, Row, type SendingSink } from "../plugin/index.js";
import type { Ledger, LedgerEntry } from "./ledger.js";

const compress = promisify(gzip);

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

/** One event in a request. Offsets count from the start of the plain body. */
export interface Item {
  readonly start: number;
  readonly end: number;
  readonly id: string;
  readonly run: Run;
  /** The native document in it: its start, where our members begin, its end. */
  readonly document: { readonly start: number; readonly members: number; readonly end: number };
  /** Set when it goes in safe shape; refused again, it is a dead letter. `document` then points into `original`. */
  readonly safe?: { readonly reason: string; readonly original: Uint8Array };
}

/** Room for what an event takes beyond its estimate, so that a request's memory need not grow for its last one. */
const SLACK = 64 * 1024;

/** A request being filled: events of one or many batches, encoded one behind the other. */
export class RequestBuilder {
  #out: ByteWriter;
  #items: Item[] = [];
  #run: Run | undefined;
  readonly #capacity: number;
  readonly #spare: ByteWriter[] = [];
  /** Epoch milliseconds when the first event came. */
  since = 0;

  constructor(capacity: number) {
    this.#capacity = capacity + SLACK;
    this.#out = new ByteWriter(this.#capacity);
  }

  get bytes(): number {
    return this.#out.length;
  }

  get count(): number {
    return this.#items.length;
  }

  /** Encodes one event; what `encode` throws leaves the builder as it was. */
  add(sink: Pick<SendingSink, "encode">, event: EventView, ledger: Ledger, entry: LedgerEntry): void {
    const start = this.#out.length;
    const id = event.id();
    try {
      sink.encode(event, this.#out);
    } catch (error) {
      this.#out.length = start;
      throw error;
    }
    const run = this.#runOf(event, ledger, entry);
    this.#items.push({ start, end: this.#out.length, id, run, document: { ...this.#out.document } });
  }

  /** What was gathered, as a request of its own; the builder is empty again. */
  take(): PendingRequest {
    const writer = this.#out;
    const request = new PendingRequest(writer.view(), this.#items, () => this.#recycle(writer));
    this.#out = this.#spare.pop() ?? new ByteWriter(this.#capacity);
    this.#items = [];
    this.#run = undefined;
    return request;
  }

  /** Forgets what was gathered, and gives its memory back. */
  release(): void {
    this.#out = new ByteWriter(64);
    this.#spare.length = 0;
    this.#items = [];
    this.#run = undefined;
  }

  #recycle(writer: ByteWriter): void {
    if (writer.bytes.length > this.#capacity || this.#spare.length > 1) return;
    writer.clear();
    this.#spare.push(writer);
  }

  #runOf(event: EventView, ledger: Ledger, entry: LedgerEntry): Run {
    const { batch, row } = event;
    const at = row * ROW_WORDS;
    const to = batch.offset + batch.table[at + Row.lineEnd] + 1;
    if (this.#run?.entry === entry) {
      this.#run.to = to;
      this.#run.left++;
    } else {
      this.#run = { ledger, entry, from: batch.offset + batch.table[at + Row.line], to, left: 1 };
      entry.outstanding++;
    }
    return this.#run;
  }
}

/** A request that waits or is on its way. */
export class PendingRequest implements Request {
  body: Uint8Array;
  encoding: "identity" | "gzip" = "identity";
  readonly items: readonly Item[];
  attempt = 0;
  unsure = false;
  #release: (() => void) | undefined;

  /** `release` is called once, when the plain body's memory is not needed any more. */
  constructor(body: Uint8Array, items: readonly Item[], release?: () => void) {
    this.body = body;
    this.items = items;
    this.#release = release;
  }

  get count(): number {
    return this.items.length;
  }

  get firstId(): string {
    return this.items[0].id;
  }

  get lastId(): string {
    return this.items[this.items.length - 1].id;
  }

  /** Gzips the body, level 1 (DESIGN §6), off the main thread. */
  async compress(): Promise<void> {
    if (this.encoding === "gzip") return;
    // Audit events pack to less than a quarter: one piece of output, not many to put together.
    const chunkSize = Math.max(16 * 1024, this.body.length >> 2);
    const packed = await compress(this.body, { level: 1, memLevel: 9, chunkSize });
    this.release();
    this.body = packed;
    this.encoding = "gzip";
  }

  item(index: number): Uint8Array {
    const { start, end } = this.items[index];
    return this.plain().subarray(start, end);
  }

  /** The body before compression. Inflates: ask once for many items. */
  plain(): Uint8Array {
    return this.encoding === "gzip" ? gunzipSync(this.body) : this.body;
  }

  /** One item of a request once more, encoded in safe shape from the view of its own document. */
  static safe(sink: SendingSink, view: EventView, item: Item, original: Uint8Array, reason: string): PendingRequest {
    const out = new ByteWriter(4096);
    sink.encodeSafe!(view, reason, out, item.id);
    const document = { start: 0, members: item.document.members - item.document.start, end: original.length };
    return new PendingRequest(out.view(), [
      { ...item, start: 0, end: out.length, document, safe: { reason, original } },
    ]);
  }

  /** A request of some of its items, in order, with bytes of its own. */
  pick(indexes: readonly number[]): PendingRequest {
    const plain = this.plain();
    const out = new ByteWriter(4096);
    const items = indexes.map((index) => {
      const item = this.items[index];
      const start = out.length;
      out.copy(plain, item.start, item.end);
      return move(item, start);
    });
    const picked = new PendingRequest(out.view(), items);
    picked.attempt = this.attempt;
    picked.unsure = this.unsure;
    return picked;
  }

  /** Gives the plain body's memory back. */
  release(): void {
    this.#release?.();
    this.#release = undefined;
  }
}

/** One item is delivered or a dead letter: its run is acknowledged with its last one. */
export function acknowledge({ run }: Item): void {
  if (--run.left === 0) run.ledger.acknowledge(run.entry, run.from, run.to);
}

function move(item: Item, start: number): Item {
  const by = start - item.start;
  const { document } = item;
  const moved = { ...item, start, end: item.end + by };
  if (item.safe) return moved;
  return {
    ...moved,
    document: { start: document.start + by, members: document.members + by, end: document.end + by },
  };
}
