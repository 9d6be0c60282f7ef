import PQueue from "p-queue";
import type { BodyMemory } from "./body-memory.js";
import type { Ledger } from "./ledger.js";
import { type PendingRequest, RequestBuilder } from "./request.js";

/** Requests ahead of a backlog that may be queued before one of the backlog that is ready; one more may be queued already. */
const PASSING = 3;

/** What is left of a request that waits or is on its way: itself, or its halves and safe shapes. */
export type Left = PendingRequest[];

/** Events that are gathered for a request, and how many requests were made of such that are not over. */
export class Gathering {
  readonly builder: RequestBuilder;
  /** Sends what there is when it has waited long enough. */
  timer: NodeJS.Timeout | undefined;
  /** Requests that wait for their turn. */
  waiting = 0;
  /** Requests that wait for it or are on their way. */
  pending = 0;
  /** Those who have a request ready, and no room for it. */
  wanting = 0;

  constructor(maxBytes: number, bodies: BodyMemory | undefined) {
    this.builder = new RequestBuilder(maxBytes, bodies);
  }

  stopTimer(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

/**
 * A sink's requests from the first event that is gathered for them until they are over. What is ahead of a backlog is gathered
 * apart from it and goes first, but one request of five is the backlog's: neither keeps the other waiting for long.
 */
export class Outbox {
  readonly #maxBytes: number;
  readonly #memory: number;
  readonly #bodies: BodyMemory | undefined;
  readonly #deliver: (left: Left) => Promise<void>;
  readonly #queue = new PQueue();
  readonly #usual: Gathering;
  /** There only while something is ahead of a backlog, since it takes memory. */
  #ahead: Gathering | undefined;
  /** Whose events are gathered in {@link #ahead}. */
  readonly #aheadOf = new Set<Ledger>();
  /** Requests that went before the backlog's next one, which is ready. */
  #passed = 0;
  readonly #pending = new Set<Left>();
  #holds = 0;
  #waiting: (() => void)[] = [];

  /**
   * @param maxBytes of a request
   * @param memory bytes for all of them
   * @param deliver sends a request; resolves when nothing is left of it
   * @param bodies lends memory for their bodies
   */
  constructor(maxBytes: number, memory: number, deliver: (left: Left) => Promise<void>, bodies?: BodyMemory) {
    this.#maxBytes = maxBytes;
    this.#memory = memory;
    this.#bodies = bodies;
    this.#deliver = deliver;
    this.#usual = new Gathering(maxBytes, bodies);
  }

  /** Most requests on their way at once. */
  set concurrency(most: number) {
    this.#queue.concurrency = most;
  }

  /** Requests on their way. */
  get sent(): number {
    return this.#queue.pending;
  }

  /** Requests that wait or are on their way. */
  get pending(): number {
    return this.#pending.size;
  }

  get gatherings(): Gathering[] {
    return this.#ahead ? [this.#ahead, this.#usual] : [this.#usual];
  }

  /** Where events of this ledger are gathered. */
  gathering(ledger: Ledger): Gathering {
    if (ledger.isAhead) {
      this.#aheadOf.add(ledger);
      this.#ahead ??= new Gathering(this.#maxBytes, this.#bodies);
      return this.#ahead;
    }
    const ahead = this.#ahead;
    if (!ahead || !this.#aheadOf.has(ledger)) return this.#usual;
    // The backlog is done. What was gathered ahead of it comes before what follows, in the log as here.
    if (ahead.builder.count > 0) return ahead;
    this.#aheadOf.delete(ledger);
    if (this.#aheadOf.size === 0) this.#endAhead();
    return this.#usual;
  }

  /** True if one more request of this may wait, and there is memory to fill the next one meanwhile. */
  hasRoom(gathering: Gathering): boolean {
    if (this.#holds > 0 || this.#mustGiveWay(gathering)) return false;
    return this.#pending.size === 0 || (gathering.waiting === 0 && this.#needed(gathering) <= this.#memory);
  }

  /** Makes what was gathered a request, and queues it; resolves when nothing is left of it. */
  put(gathering: Gathering): Promise<void> {
    const left = [gathering.builder.take()];
    const priority = gathering === this.#ahead && this.#passed < PASSING ? 1 : 0;
    if (gathering === this.#ahead && this.#usual.waiting + this.#usual.wanting > 0) this.#passed++;
    this.#pending.add(left);
    gathering.pending++;
    gathering.waiting++;
    const send = async () => {
      gathering.waiting--;
      if (gathering === this.#usual) this.#passed = 0;
      this.makeRoom();
      try {
        await this.#deliver(left);
      } finally {
        this.#end(left, gathering);
      }
    };
    return this.#queue.add(send, { priority });
  }

  /** Resolves when there may be room where there was none. */
  roomChanged(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Lets those who wait for room look again. */
  makeRoom(): void {
    for (const look of this.#waiting.splice(0)) look();
  }

  /** Queues nothing more, so that nothing is on its way at last, until what it returns is called. */
  hold(): () => void {
    this.#holds++;
    return () => {
      this.#holds--;
      this.makeRoom();
    };
  }

  /** Resolves when no request waits or is on its way. */
  idle(): Promise<void> {
    return this.#queue.onIdle();
  }

  /** Throws away what waits. */
  clear(): void {
    for (const gathering of this.gatherings) gathering.stopTimer();
    this.#queue.clear();
  }

  /** Throws away what was gathered, too, once nothing is on its way any more, and gives the memory back. */
  async release(): Promise<void> {
    this.clear();
    await this.idle();
    for (const left of this.#pending) for (const request of left) request.release();
    this.#pending.clear();
    this.#endAhead();
    this.#aheadOf.clear();
    this.#usual.waiting = 0;
    this.#usual.pending = 0;
    this.#usual.builder.release();
  }

  #endAhead(): void {
    this.#ahead?.builder.release();
    this.#ahead = undefined;
  }

  #end(left: Left, gathering: Gathering): void {
    this.#pending.delete(left);
    gathering.pending--;
    this.makeRoom();
  }

  /** True if it is the turn of the backlog, which has had no room for its request. */
  #mustGiveWay(gathering: Gathering): boolean {
    const { waiting, wanting } = this.#usual;
    return gathering === this.#ahead && this.#passed >= PASSING && wanting > 0 && waiting === 0;
  }

  /** Bytes of memory in use when one more request is filled. What the backlog has set aside does not hold up what is ahead. */
  #needed(gathering: Gathering): number {
    let memory = gathering.builder.memory + gathering.builder.needed;
    if (gathering === this.#ahead) memory += this.#usual.builder.bytes;
    else memory += this.#ahead?.builder.memory ?? 0;
    for (const left of this.#pending) for (const request of left) memory += request.memory;
    return memory;
  }
}
