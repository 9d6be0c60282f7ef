import { setTimeout as sleep } from "node:timers/promises";
import type { Ledger } from "../delivery/ledger.js";
import type { Runner } from "../delivery/runner.js";
import type { EventBatch } from "../event/index.js";
import { type Chunk, comparePositions, type Position, type Reader, within } from "../plugin/index.js";

/** A sink on one source. */
export interface Member {
  readonly runner: Runner;
  readonly ledger: Ledger;
  /** Where it leaves the lane; it is offered nothing from there on. */
  until?: Position;
}

/** What a lane needs from its feed. */
export interface LaneDeps {
  source: string;
  batch: EventBatch;
  /** Counts the batch and runs the stages over it; throws if a required stage failed. `again`: after such a failure. */
  prepare(batch: EventBatch, again: boolean): Promise<void>;
  /** Called when a required stage failed; the batch is tried again. */
  onHeld(error: Error): void;
  /** Called when a member has come to where it leaves. */
  onLeft(member: Member): void;
  /** Called when a member could not take all of a batch in time and was taken off: it goes on where its ledger ends. */
  onBehind(member: Member): void;
}

/** The result of a step. `left`: a member has reached where it leaves. */
export type Step = "batch" | "interrupted" | "left" | "end";

/** A lane stopped between two batches, for another to catch up with it. */
export interface Meeting {
  /** Where its next batch starts; undefined in an empty log. */
  readonly at: Position | undefined;
  /** Lets it go on. */
  release(): void;
}

/** Milliseconds that a guest waits for a meeting: a sink that is alone on its lane may be waited for much longer. */
const PATIENCE = 1000;

/** One reader, the stages, and the sinks that follow it. A step reads one batch and offers it to all of them. */
export class Lane {
  readonly members = new Set<Member>();
  readonly #reader: Reader;
  readonly #deps: LaneDeps;
  #wait = new AbortController();
  /** Milliseconds that each sink has held the others up of late. */
  readonly #held = new WeakMap<Member, number>();
  #weighed = performance.now();
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
   * Reads the next batch, up to `limit`, and offers it. "end": the limit is reached, or the log has ended. A sink that is alone is
   * waited for as long as its far end does not fail, unless other lanes wait for this one's slot (`hurried`).
   */
  async step({ limit, hurried = false }: { limit?: Position; hurried?: boolean } = {}): Promise<Step> {
    const wait = this.#wait;
    const exit = this.#nearestExit();
    const bound = exit && (!limit || comparePositions(exit, limit) <= 0) ? exit : limit;
    const chunk = await this.#reader.next(this.#deps.batch.buffer, { limit: bound, signal: wait.signal });
    if (!chunk) {
      if (wait.signal.aborted) {
        if (!this.#closed) this.#wait = new AbortController();
        return "interrupted";
      }
      return exit && this.#leaveAt(exit) ? "left" : "end";
    }
    await this.#load(chunk);
    const members = [...this.members];
    const patience = members.length > 1 ? "shared" : hurried ? "hurried" : "alone";
    const took = await Promise.all(members.map((member) => this.#offer(member, patience)));
    this.#weigh(members, took);
    return "batch";
  }

  /** Members that hold the others up more than half of the time, and did so for long. */
  *slow(): Iterable<Member> {
    for (const member of this.members) {
      if (this.members.size > 1 && (this.#held.get(member) ?? 0) >= member.runner.options.stallAfter / 2) yield member;
    }
  }

  /** Resolves after `ms`, or sooner when the lane ends. */
  async rest(ms: number): Promise<void> {
    await sleep(ms, undefined, { ref: false, signal: this.#wait.signal }).catch(() => {});
  }

  /** Stops before its next batch and says where that starts; undefined if it ends instead, or does not come to it in time. */
  async meet(): Promise<Meeting | undefined> {
    if (!this.running) return undefined;
    const meeting = new Promise<Meeting | undefined>((resolve) => {
      this.#guests.push(resolve);
      this.#wait.abort();
    });
    if (await within(PATIENCE, meeting)) return meeting;
    void meeting.then((given) => given?.release());
    return undefined;
  }

  /** Grants meetings that were asked for, one after the other; called between two batches. */
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
        batch.rethrowDifference();
        return;
      } catch (error) {
        onHeld(error as Error);
        await sleep(Math.min(1000 * 2 ** attempt, 30_000), undefined, { ref: false });
        if (this.#closed) throw error;
        batch.load(whole, source);
      }
    }
  }

  /** @returns milliseconds that it took */
  async #offer(member: Member, patience: "alone" | "shared" | "hurried"): Promise<number> {
    const { runner, ledger } = member;
    const started = performance.now();
    if (!(await runner.offer(this.#deps.batch, ledger, patience === "alone"))) {
      const dead = patience === "alone" || (patience === "hurried" && runner.failing !== undefined);
      const behind = !dead && runner.lags && runner.taking;
      if (!behind) runner.park(runner.failing ?? "it takes too long");
      this.leave(member);
      if (behind) this.#deps.onBehind(member);
    }
    return performance.now() - started;
  }

  /** Notes which member has held up the others: by how much longer it took than the next one, less half of the time that has passed. */
  #weigh(members: readonly Member[], took: readonly number[]): void {
    const now = performance.now();
    const passed = now - this.#weighed;
    this.#weighed = now;
    const [longest, next = 0] = [...took].sort((a, b) => b - a);
    for (const [index, member] of members.entries()) {
      const excess = took[index] === longest ? longest - next : 0;
      this.#held.set(member, Math.max(0, (this.#held.get(member) ?? 0) + excess - passed / 2));
    }
  }

  #nearestExit(): Position | undefined {
    let nearest: Position | undefined;
    for (const { until } of this.members) {
      if (until && (!nearest || comparePositions(until, nearest) < 0)) nearest = until;
    }
    return nearest;
  }

  /** Takes off members that leave at `exit`; false if it is not reached. */
  #leaveAt(exit: Position): boolean {
    const at = this.position();
    if (!at || comparePositions(at, exit) < 0) return false;
    for (const member of [...this.members]) {
      if (!member.until || comparePositions(member.until, at) > 0) continue;
      this.leave(member);
      this.#deps.onLeft(member);
    }
    return true;
  }
}
