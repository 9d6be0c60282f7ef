import { promisify } from "node:util";
import { gunzipSync, gzip } from "node:zlib";
import { type Batch, ByteWriter, type EventView, type Frame, type Request, type SendingSink } from "../plugin/index.js";
import type { BodyMemory } from "./body-memory.js";
import { Items } from "./items.js";
import type { Ledger, LedgerEntry } from "./ledger.js";

const compress = promisify(gzip);

/** Room for what an event takes beyond its estimate, so that a request's memory need not grow for its last one. */
const SLACK = 64 * 1024;
/** Items that a request has room for at first, and those made of few items of another. */
const FIRST_ITEMS = 256;
const FEW_ITEMS = 16;
/** For what most sinks have no use of. */
const FEW_BYTES = 64;

/** Rows of a batch: the first, and one past the last. */
export type Rows = readonly [first: number, last: number];

/** A request being filled: events of one or many batches, encoded one behind the other. */
export class RequestBuilder {
  #out = new ByteWriter(0);
  /** Native documents of the events that the sink encodes as something else: dead letters are made of them. */
  #kept = new ByteWriter(FEW_BYTES);
  #items = new Items(FIRST_ITEMS);
  readonly #capacity: number;
  readonly #bodies: BodyMemory | undefined;
  /** What {@link #out} writes to as long as that is large enough. */
  #body: Buffer | undefined;
  readonly #spareKept: ByteWriter[] = [];
  readonly #spareItems: Items[] = [];
  /** Epoch milliseconds when the first event came. */
  since = 0;

  /**
   * @param capacity bytes of a body
   * @param bodies what lends memory for bodies; without, each has its own
   */
  constructor(capacity: number, bodies?: BodyMemory) {
    this.#capacity = capacity + SLACK;
    this.#bodies = bodies;
  }

  /** What it takes in memory. */
  get bytes(): number {
    return this.#out.length + this.#kept.length;
  }

  get count(): number {
    return this.#items.count;
  }

  /** Bytes of memory that it holds, without what requests have of it. */
  get memory(): number {
    const own = [this.#out, this.#kept, ...this.#spareKept];
    return own.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Bytes of memory that the next request needs beyond. */
  get needed(): number {
    return this.#capacity;
  }

  /** Encodes one event; what `encode` throws leaves the builder as it was. */
  add(sink: Pick<SendingSink, "encode">, event: EventView, ledger: Ledger, entry: LedgerEntry): void {
    const out = this.#begun();
    const start = out.length;
    out.document.end = 0;
    try {
      sink.encode(event, out);
    } catch (error) {
      out.length = start;
      throw error;
    }
    const kept = out.document.end === 0 ? this.#kept : undefined;
    if (kept) event.writeDocument(kept);
    this.#items.add(event, out, kept, ledger, entry);
  }

  /** Adds events of the rows [first, last), as many as can be written at once; returns how many. */
  addFramed(batch: Batch, [first, last]: Rows, frame: Frame, ledger: Ledger, entry: LedgerEntry): number {
    const documents = batch.writeFramed(first, last, frame, this.#begun());
    if (documents.count > 0) this.#items.addFramed(batch, first, documents, ledger, entry);
    return documents.count;
  }

  /** What was gathered, as a request of its own; the builder is empty again. */
  take(): PendingRequest {
    const writer = this.#out;
    const kept = this.#kept;
    const items = this.#items;
    const body = this.#body;
    const memory = {
      bytes: writer.bytes.length,
      body: () => body && this.#bodies?.give(body),
      rest: () => {
        this.#recycle(kept);
        this.#recycleItems(items);
      },
    };
    const request = new PendingRequest(writer.view(), kept.view(), items, memory);
    this.#out = new ByteWriter(0);
    this.#body = undefined;
    this.#kept = this.#spareKept.pop() ?? new ByteWriter(FEW_BYTES);
    this.#items = this.#spareItems.pop() ?? new Items(Math.max(FIRST_ITEMS, items.count));
    return request;
  }

  /** Forgets what was gathered, and gives its memory back. */
  release(): void {
    if (this.#body) this.#bodies?.give(this.#body);
    this.#body = undefined;
    this.#out = new ByteWriter(0);
    this.#kept = new ByteWriter(FEW_BYTES);
    this.#spareKept.length = 0;
    this.#spareItems.length = 0;
    this.#items = new Items(FEW_ITEMS);
  }

  /** What the next event is written to. */
  #begun(): ByteWriter {
    const out = this.#out;
    if (out.bytes.length === 0) {
      this.#body = this.#bodies?.take(this.#capacity);
      out.bytes = this.#body ?? Buffer.allocUnsafeSlow(this.#capacity);
    }
    return out;
  }

  #recycle(kept: ByteWriter): void {
    if (kept.bytes.length > this.#capacity) return;
    kept.clear();
    this.#spareKept.push(kept);
  }

  #recycleItems(items: Items): void {
    items.clear();
    this.#spareItems.push(items);
  }
}

/** An event's native document, cut in two: its line, and our members as an object of their own. */
export interface Document {
  readonly line: string;
  readonly members: string;
}

/** What gives a request's memory back, each called once at most. */
interface RequestMemory {
  /** Bytes that the plain body holds. */
  bytes: number;
  /** The plain body is not needed any more. */
  body?: () => void;
  /** Nor is the request. */
  rest?: () => void;
}

/** A request that waits or is on its way. */
export class PendingRequest implements Request {
  body: Uint8Array;
  encoding: "identity" | "gzip" = "identity";
  attempt = 0;
  /** A try of it ended so that nobody knows what was taken. */
  unanswered = false;
  #memory: RequestMemory | undefined;
  /** Bytes of memory that {@link body} holds. */
  #bodyBytes: number;

  /**
   * @param kept documents of items that are encoded as something else
   * @param memory what it lends
   * @param safe why its one item goes in safe shape; refused again, it is a dead letter
   */
  constructor(
    body: Uint8Array,
    private readonly kept: Uint8Array,
    private readonly items: Items,
    memory?: RequestMemory,
    readonly safe?: string,
  ) {
    this.body = body;
    this.#memory = memory;
    this.#bodyBytes = memory?.bytes ?? body.buffer.byteLength;
  }

  get count(): number {
    return this.items.count;
  }

  get unsure(): boolean {
    return this.unanswered || this.items.anyUnsure;
  }

  /** True if this item may have been taken before. */
  mayBeTaken(index: number): boolean {
    return this.unanswered || this.items.unsure(index);
  }

  get firstId(): string {
    return this.id(0);
  }

  get lastId(): string {
    return this.id(this.count - 1);
  }

  id(index: number): string {
    return this.items.id(index);
  }

  /** An item's native document; `plain` is the plain body. */
  document(index: number, plain: Uint8Array): Document {
    const { start, members, end } = this.items.document(index);
    const bytes = asBuffer(this.items.isKept(index) ? this.kept : plain);
    return {
      // The report of an invalid line has no line.
      line: members > start ? `${bytes.toString("utf8", start, members)}}` : "{}",
      members: `{${bytes.toString("utf8", members, end).replace(/^[,{]/, "")}`,
    };
  }

  /** Its bytes before compression, as {@link RequestBuilder.bytes} counts them. */
  get bytes(): number {
    return this.items.end(this.count - 1) + this.kept.length;
  }

  /** Bytes of memory that it holds. */
  get memory(): number {
    return this.#bodyBytes + this.kept.buffer.byteLength;
  }

  /** See {@link Items.acknowledge}. */
  acknowledge(indexes: readonly number[]): void {
    for (const index of indexes) this.items.acknowledge(index);
  }

  /** The same for all of them. */
  acknowledgeAll(): void {
    this.items.acknowledgeAll();
  }

  /** Gzips the body, level 1, off the main thread. */
  async compress(): Promise<void> {
    if (this.encoding === "gzip") return;
    // Audit events pack to less than a quarter: one piece of output, not many to put together.
    const chunkSize = Math.max(16 * 1024, this.body.length >> 2);
    const packed = await compress(this.body, { level: 1, memLevel: 9, chunkSize });
    this.#releaseBody();
    this.body = packed;
    this.#bodyBytes = packed.buffer.byteLength;
    this.encoding = "gzip";
  }

  item(index: number): Uint8Array {
    return this.plain().subarray(this.items.start(index), this.items.end(index));
  }

  /** The body before compression. Inflates: ask once for many items. */
  plain(): Uint8Array {
    return this.encoding === "gzip" ? gunzipSync(this.body) : this.body;
  }

  /** One of its items once more, encoded in safe shape from the event that it was; `plain` is the plain body. */
  reshape(sink: SendingSink, index: number, event: EventView, reason: string, plain: Uint8Array): PendingRequest {
    const out = new ByteWriter(4096);
    sink.encodeSafe!(event, reason, out);
    const { start, end } = this.items.document(index);
    const kept = Buffer.from((this.items.isKept(index) ? this.kept : plain).subarray(start, end));
    const items = new Items(1);
    items.addOf(this.items, index, out.length, true, -start);
    const reshaped = new PendingRequest(out.view(), kept, items, undefined, reason);
    reshaped.unanswered = this.unanswered;
    return reshaped;
  }

  /** A request of some of its items, in order, with bytes of its own. */
  pick(indexes: readonly number[]): PendingRequest {
    const plain = this.plain();
    const out = new ByteWriter(4096);
    const kept = new ByteWriter(FEW_BYTES);
    const items = new Items(FEW_ITEMS);
    for (const index of indexes) {
      const start = this.items.start(index);
      const isKept = this.items.isKept(index);
      const document = this.items.document(index);
      const by = isKept ? kept.length - document.start : out.length - start;
      if (isKept) kept.copy(this.kept, document.start, document.end);
      out.copy(plain, start, this.items.end(index));
      items.addOf(this.items, index, out.length, isKept, by);
    }
    const picked = new PendingRequest(out.view(), kept.view(), items, undefined, this.safe);
    picked.attempt = this.attempt;
    picked.unanswered = this.unanswered;
    return picked;
  }

  /** Gives its memory back: it is over. */
  release(): void {
    this.#releaseBody();
    this.#memory?.rest?.();
    this.#memory = undefined;
  }

  #releaseBody(): void {
    this.#memory?.body?.();
    if (this.#memory) this.#memory.body = undefined;
  }
}

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
