import { promisify } from "node:util";
import { gunzipSync, gzip } from "node:zlib";
import { ByteWriter, type EventView, type Request, type SendingSink } from "../plugin/index.js";
import { type DocumentSpan, Items } from "./items.js";
import type { Ledger, LedgerEntry } from "./ledger.js";

const compress = promisify(gzip);

/** Room for what an event takes beyond its estimate, so that a request's memory need not grow for its last one. */
const SLACK = 64 * 1024;
/** Items that a request has room for at first, and those made of few items of another. */
const FIRST_ITEMS = 256;
const FEW_ITEMS = 16;

/** A request being filled: events of one or many batches, encoded one behind the other. */
export class RequestBuilder {
  #out: ByteWriter;
  #items = new Items(FIRST_ITEMS);
  readonly #capacity: number;
  readonly #spare: ByteWriter[] = [];
  readonly #spareItems: Items[] = [];
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
    return this.#items.count;
  }

  /** Encodes one event; what `encode` throws leaves the builder as it was. */
  add(sink: Pick<SendingSink, "encode">, event: EventView, ledger: Ledger, entry: LedgerEntry): void {
    const start = this.#out.length;
    try {
      sink.encode(event, this.#out);
    } catch (error) {
      this.#out.length = start;
      throw error;
    }
    this.#items.add(event, this.#out, ledger, entry);
  }

  /** What was gathered, as a request of its own; the builder is empty again. */
  take(): PendingRequest {
    const writer = this.#out;
    const items = this.#items;
    const request = new PendingRequest(writer.view(), items, {
      body: () => this.#recycle(writer),
      items: () => this.#recycleItems(items),
    });
    this.#out = this.#spare.pop() ?? new ByteWriter(this.#capacity);
    this.#items = this.#spareItems.pop() ?? new Items(Math.max(FIRST_ITEMS, items.count));
    return request;
  }

  /** Forgets what was gathered, and gives its memory back. */
  release(): void {
    this.#out = new ByteWriter(64);
    this.#spare.length = 0;
    this.#spareItems.length = 0;
    this.#items = new Items(FEW_ITEMS);
  }

  #recycle(writer: ByteWriter): void {
    if (writer.bytes.length > this.#capacity) return;
    writer.clear();
    this.#spare.push(writer);
  }

  #recycleItems(items: Items): void {
    items.clear();
    this.#spareItems.push(items);
  }
}

/** Why an item goes in safe shape; refused again, it is a dead letter. */
export interface SafeShape {
  readonly reason: string;
  /** Its native document; the item's {@link Items.document} points into it. */
  readonly original: Uint8Array;
}

/** What gives a request's memory back, each called once at most. */
interface RequestMemory {
  /** The plain body is not needed any more. */
  body?: () => void;
  /** Nor is the request. */
  items?: () => void;
}

/** A request that waits or is on its way. */
export class PendingRequest implements Request {
  body: Uint8Array;
  encoding: "identity" | "gzip" = "identity";
  attempt = 0;
  unsure = false;
  #memory: RequestMemory | undefined;

  /**
   * @param memory what it lends
   * @param safe set when its one item goes in safe shape
   */
  constructor(
    body: Uint8Array,
    private readonly items: Items,
    memory?: RequestMemory,
    readonly safe?: SafeShape,
  ) {
    this.body = body;
    this.#memory = memory;
  }

  get count(): number {
    return this.items.count;
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

  /** Where an item's document lies in the plain body, or in the original of its safe shape. */
  document(index: number): DocumentSpan {
    return this.items.document(index);
  }

  /** See {@link Items.acknowledge}. */
  acknowledge(indexes: readonly number[]): void {
    for (const index of indexes) this.items.acknowledge(index);
  }

  /** Gzips the body, level 1 (DESIGN §6), off the main thread. */
  async compress(): Promise<void> {
    if (this.encoding === "gzip") return;
    // Audit events pack to less than a quarter: one piece of output, not many to put together.
    const chunkSize = Math.max(16 * 1024, this.body.length >> 2);
    const packed = await compress(this.body, { level: 1, memLevel: 9, chunkSize });
    this.#releaseBody();
    this.body = packed;
    this.encoding = "gzip";
  }

  item(index: number): Uint8Array {
    return this.plain().subarray(this.items.start(index), this.items.end(index));
  }

  /** The body before compression. Inflates: ask once for many items. */
  plain(): Uint8Array {
    return this.encoding === "gzip" ? gunzipSync(this.body) : this.body;
  }

  /** One of its items once more, encoded in safe shape from the view of its own document, the `original`. */
  reshape(sink: SendingSink, index: number, view: EventView, safe: SafeShape): PendingRequest {
    const out = new ByteWriter(4096);
    sink.encodeSafe!(view, safe.reason, out, this.id(index));
    const items = new Items(1);
    items.addOf(this.items, index, out.length, -this.document(index).start);
    return new PendingRequest(out.view(), items, undefined, safe);
  }

  /** A request of some of its items, in order, with bytes of its own. */
  pick(indexes: readonly number[]): PendingRequest {
    const plain = this.plain();
    const out = new ByteWriter(4096);
    const items = new Items(FEW_ITEMS);
    for (const index of indexes) {
      const start = this.items.start(index);
      const by = this.safe ? 0 : out.length - start;
      out.copy(plain, start, this.items.end(index));
      items.addOf(this.items, index, out.length, by);
    }
    const picked = new PendingRequest(out.view(), items, undefined, this.safe);
    picked.attempt = this.attempt;
    picked.unsure = this.unsure;
    return picked;
  }

  /** Gives its memory back: it is over. */
  release(): void {
    this.#releaseBody();
    this.#memory?.items?.();
    this.#memory = undefined;
  }

  #releaseBody(): void {
    this.#memory?.body?.();
    if (this.#memory) this.#memory.body = undefined;
  }
}
