import { setTimeout as sleep } from "node:timers/promises";
import type { Ledger } from "../delivery/ledger.js";
import type { Runner } from "../delivery/runner.js";
import type { EventBatch } from "../event/index.js";
import type { Chunk, Position, Reader } from "../plugin/index.js";

/** A sink on one source. */
export interface Member {
  readonly runner: Runner;
  readonly ledger: Ledger;
}

/** What a lane needs from its feed. */
export interface LaneDeps {
  source: string;
  batch: EventBatch;
  /** Counts the batch and runs the stages over it; throws if a required stage failed. `again`: after such a failure. */
  prepare(batch: EventBatch, again: boolean): Promise<void>;
  /** Called when a required stage failed; the batch is tried again. */
  onHeld(error: Error): void;
}

/** What a step came to. */
export type Step = "batch" | "interrupted" | "end";

/** A lane stopped between two batches, for another to catch up with it. */
export interface Meeting {
  /** Where its next batch starts; undefined in an empty log. */
  readonly at: Position | undefined;
  /** Lets it go on. */
  release(): void;
}

/** One reader, the stages, and the sinks that follow it. A step reads one batch and offers it to all of them. DESIGN §2. */
export class Lane {
  readonly members = new Set<Member>();
  readonly #reader: Reader;
  readonly #deps: LaneDeps;
  #wait = new AbortController();
  #guests: ((meeting: Meeting | undefined) => void)[] = [];
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(reader: Reader, members: Iterable<Member>, deps: LaneDeps) {
    this.#reader = reader;
    this.#deps = deps;
    for (const member of members) this.members.add(member);
  }

  get batch(): EventBatch {
    return this.#deps.batch;
  }

  /** True while it has sinks and was not closed. */
  get running(): boolean {
    return !this.#closed && this.members.size > 0;
  }

  /** Where its next batch starts. */
  position(): Position | undefined {
    return this.#reader.position();
  }

  atEnd(): boolean {
    return this.#reader.atEnd();
  }

  /**
   * Reads the next batch, up to `limit`, and offers it. "end": the limit is reached, or the log has ended. `patient`:
   * wait for a sink as long as its far end does not fail.
   */
  async step(patient: boolean, limit?: Position): Promise<Step> {
    const wait = this.#wait;
    const chunk = await this.#reader.next(this.#deps.batch.buffer, { limit, signal: wait.signal });
    if (!chunk) {
      if (!wait.signal.aborted) return "end";
      if (!this.#closed) this.#wait = new AbortController();
      return "interrupted";
    }
    await this.#load(chunk);
    await Promise.all([...this.members].map((member) => this.#offer(member, patient)));
    return "batch";
  }

  /** Stops before its next batch and says where that starts; undefined if it ends instead. */
  meet(): Promise<Meeting | undefined> {
    if (!this.running) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#guests.push(resolve);
      this.#wait.abort();
    });
  }

  /** Receives those who asked for a meeting, one after the other; called between two batches. */
  async receive(): Promise<void> {
    while (this.running && this.#guests.length > 0) {
      const guest = this.#guests.shift()!;
      await new Promise<void>((release) => guest({ at: this.position(), release }));
    }
  }

  leave(member: Member): void {
    if (this.members.delete(member) && this.members.size === 0) this.#wait.abort();
  }

  /** Ends the waiting for data; the step in hand is finished. */
  stop(): void {
    this.#closed = true;
    this.#wait.abort();
  }

  async close(): Promise<void> {
    this.stop();
    for (const guest of this.#guests.splice(0)) guest(undefined);
    this.#closing ??= this.#reader.close();
    await this.#closing;
  }

  async #load(chunk: Chunk): Promise<void> {
    const { batch, source, prepare, onHeld } = this.#deps;
    const consumed = batch.load(chunk, source);
    if (consumed < chunk.length) this.#reader.unread(chunk.length - consumed);
    const whole = { ...chunk, length: consumed };
    for (let attempt = 0; ; attempt++) {
      try {
        await prepare(batch, attempt > 0);
        return;
      } catch (error) {
        onHeld(error as Error);
        await sleep(Math.min(1000 * 2 ** attempt, 30_000), undefined, { ref: false });
        if (this.#closed) throw error;
        batch.load(whole, source);
      }
    }
  }

  async #offer(member: Member, patient: boolean): Promise<void> {
    const { runner, ledger } = member;
    if (await runner.offer(this.#deps.batch, ledger, patient)) return;
    runner.park(runner.failing ?? "it takes too long");
    this.leave(member);
  }
}
