import { setTimeout as sleep } from "node:timers/promises";
import { compareCursors, Ledger, type StoredCursor } from "../delivery/ledger.js";
import type { Runner } from "../delivery/runner.js";
import type { EventBatch } from "../event/index.js";
import {
  type Batch,
  type ByteRange,
  comparePositions,
  type Lag,
  type Logger,
  type Position,
  type Source,
  type StartPoint,
  type StoredPosition,
} from "../plugin/index.js";
import { Lane, type Member } from "./lane.js";
import type { Slots } from "./slots.js";

/** A stored cursor without a file: the log was empty; whatever appears in it is to be read. */
const BEGINNING: StoredPosition = { file: "", offset: 0 };

interface FeedMember extends Member {
  /** Where it starts as long as it has no cursor. */
  readonly start: StartPoint;
  /** A reader was opened for it: what comes after counts as its own. */
  begun: boolean;
  lane?: Lane;
}

/** What a feed needs from the agent. */
export interface FeedDeps {
  source: string;
  log: Logger;
  /** Places for catch-up lanes, shared by all feeds. */
  slots: Slots;
  newBatch(): EventBatch;
  /** Runs the stages. Throws if a required one failed. */
  runStages(batch: Batch): Promise<void>;
  /** Counts a batch; `highWater` is how far the source was read before, ever. */
  count(batch: EventBatch, highWater: Position | undefined): void;
  /** A cursor moved, or the source was read further. */
  onProgress(runner: Runner | undefined): void;
  /** A lane cannot go on. */
  onFailure(error: Error): void;
}

/**
 * One source and the sinks on it. The live lane reads at the head for the sinks that keep up; a sink that was parked, or
 * starts behind, follows in a catch-up lane until it meets the live one. DESIGN §2, "Sinks share a lane".
 */
export class Feed {
  readonly #source: Source;
  readonly #deps: FeedDeps;
  readonly #members = new Map<Runner, FeedMember>();
  readonly #lanes = new Set<Lane>();
  #live: Lane | undefined;
  #waiting: FeedMember[] = [];
  /** Off the waiting list, while their lane is being opened. */
  readonly #launching = new Set<FeedMember>();
  #dispatching = false;
  #stopped = false;
  #highWater: Position | undefined;
  /** End of what was in the log before we read. */
  readonly #before: Position | undefined;
  /** Oldest cursor when the state was asked for. */
  #oldest: Position | undefined;
  #idle: (() => void)[] = [];

  constructor(source: Source, highWater: StoredPosition | undefined, deps: FeedDeps) {
    this.#source = source;
    this.#deps = deps;
    this.#highWater = highWater && source.locate(highWater);
    this.#before = source.end();
    source.onChange = () => deps.onProgress(undefined);
  }

  get name(): string {
    return this.#deps.source;
  }

  /** Puts a sink on this source, at its stored cursor or else at `start`. */
  add(runner: Runner, stored: StoredCursor | undefined, start: StartPoint): void {
    const begun = stored !== undefined;
    const position = stored?.file ? this.#source.locate(stored) : undefined;
    const ledger = new Ledger(position, stored?.ranges);
    // What was sent before a crash is not known. It was in the log when we started, or a sink before this one read it.
    ledger.mayBeSent(this.#before);
    ledger.mayBeSent(this.#highWater);
    ledger.onAdvance = () => this.#deps.onProgress(runner);
    const from: StartPoint = stored?.file ? { at: "position", position: stored } : begun ? { at: "beginning" } : start;
    const member: FeedMember = { runner, ledger, start: from, begun };
    runner.addLedger(ledger);
    this.#members.set(runner, member);
    this.#admit(member);
  }

  /** Takes a sink off this source. */
  remove(runner: Runner): void {
    const member = this.#members.get(runner);
    if (!member) return;
    this.leave(runner);
    runner.removeLedger(member.ledger);
    this.#members.delete(runner);
  }

  /** The sink parked. */
  leave(runner: Runner): void {
    const member = this.#members.get(runner);
    if (!member) return;
    this.#waiting = this.#waiting.filter((waiting) => waiting !== member);
    this.#launching.delete(member);
    member.lane?.leave(member);
    member.lane = undefined;
  }

  /** The sink answers again: it waits for its lane. */
  rejoin(runner: Runner): void {
    const member = this.#members.get(runner);
    if (!member) return;
    // One that started parked may be in a lane that has had no batch for it yet.
    this.leave(runner);
    this.#admit(member);
  }

  /** The sink's cursor to write down; undefined if it has not begun. */
  cursor(runner: Runner): StoredCursor | undefined {
    const member = this.#members.get(runner);
    return member?.ledger.stored() ?? (member?.begun ? this.#unread(member) : undefined);
  }

  /** How far behind the sink is. */
  lag(runner: Runner): Lag {
    return this.#source.lag(this.#members.get(runner)?.ledger.cursor);
  }

  /** Sets the source's gauges. */
  measure(): void {
    this.#source.measure?.();
  }

  highWater(): Position | undefined {
    return this.#highWater;
  }

  /** What the source wants kept, from the oldest cursor on. */
  state(): { table: object; highWater?: StoredPosition } {
    let oldest = this.#highWater;
    for (const { ledger } of this.#members.values())
      if (compareCursors(ledger.cursor, oldest) < 0) oldest = ledger.cursor;
    const highWater = this.#highWater && { file: this.#highWater.file.fingerprint, offset: this.#highWater.offset };
    this.#oldest = oldest;
    return { table: this.#source.state(oldest), highWater };
  }

  /** What {@link state} gave last is written down, and so are the cursors of that moment. */
  written(): void {
    if (this.#oldest) this.#source.release?.(this.#oldest);
  }

  /** Resolves when every lane has come to the log's end (`--once`). */
  async finished(): Promise<void> {
    while (this.#lanes.size > 0 || this.#waiting.length > 0 || this.#dispatching) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** Stops reading; batches in hand are finished. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting = [];
    for (const lane of this.#lanes) lane.stop();
    await this.finished();
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#source.close();
  }

  #unread(member: FeedMember): StoredCursor {
    return member.start.at === "position" ? member.start.position : BEGINNING;
  }

  #admit(member: FeedMember): void {
    this.#waiting.push(member);
    // Sinks that are admitted in one go can share a lane.
    queueMicrotask(() => void this.#dispatch());
  }

  /** Gives waiting sinks their lanes: the live one first, then catch-up lanes while there are places. */
  async #dispatch(): Promise<void> {
    if (this.#dispatching) return;
    this.#dispatching = true;
    try {
      while (this.#waiting.length > 0 && !this.#stopped) {
        const live = this.#live === undefined;
        if (!live && !this.#deps.slots.take()) {
          this.#deps.slots.whenFree(() => void this.#dispatch());
          return;
        }
        await this.#launch(live);
      }
    } finally {
      this.#dispatching = false;
      this.#settle();
    }
  }

  async #launch(live: boolean): Promise<void> {
    const members = this.#takeGroup(live);
    for (const member of members) this.#launching.add(member);
    let lane: Lane;
    try {
      lane = await this.#open(members);
    } catch (error) {
      if (!live) this.#deps.slots.give();
      this.#deps.onFailure(error as Error);
      return;
    }
    for (const member of members) {
      if (this.#launching.delete(member)) member.runner.follow(live);
      else lane.leave(member);
    }
    if (live) this.#live = lane;
    const run = live ? this.#runLive(lane) : this.#catchUp(lane);
    void run.catch((error: Error) => this.#deps.onFailure(error)).finally(() => this.#end(lane));
  }

  /** Takes those off the waiting list who start where the first one does: the most recent for a live lane. */
  #takeGroup(newest: boolean): FeedMember[] {
    const first = newest ? this.#waiting.reduce((a, b) => (compareStarts(b, a) > 0 ? b : a)) : this.#waiting[0];
    const group = this.#waiting.filter((member) => startKey(member) === startKey(first));
    this.#waiting = this.#waiting.filter((member) => !group.includes(member));
    return group;
  }

  async #open(members: FeedMember[]): Promise<Lane> {
    const [{ ledger, start }] = members;
    const from = ledger.cursor;
    const at = from ? { file: from.file.fingerprint, offset: from.offset } : storedPosition(start);
    const point: StartPoint = at ? { at: "position", position: at, done: doneByAll(members) } : start;
    const reader = await this.#source.reader(point);
    const lane = new Lane(reader, members, {
      source: this.name,
      batch: this.#deps.newBatch(),
      prepare: (batch, again) => this.#prepare(batch, again),
      onHeld: (error) =>
        this.#deps.log.error(
          { source: this.name, error: error.message },
          "A required stage failed; the lane waits and tries again.",
        ),
    });
    const position = reader.position();
    for (const member of members) {
      member.begun ||= start.at !== "time" || position !== undefined;
      member.lane = lane;
      if (position && !member.ledger.cursor) member.ledger.begin(position);
      this.#deps.onProgress(member.runner);
    }
    this.#lanes.add(lane);
    return lane;
  }

  async #prepare(batch: EventBatch, again: boolean): Promise<void> {
    this.#deps.count(batch, again ? batch.end : this.#highWater);
    await this.#deps.runStages(batch);
    if (this.#highWater === undefined || comparePositions(batch.end, this.#highWater) > 0) this.#highWater = batch.end;
  }

  async #runLive(lane: Lane): Promise<void> {
    while (lane.running) {
      await lane.receive();
      // With one sink nobody else is held up: wait for it as long as its far end does not fail.
      if ((await lane.step(lane.members.size === 1)) === "end") return;
    }
  }

  /** Reads on, never past the live lane, until that is near; meets it, and hands its sinks over. */
  async #catchUp(lane: Lane): Promise<void> {
    try {
      while (lane.running && this.#live && this.#live !== lane) {
        const live = this.#live;
        const reached = !isNear(lane, live) && (await lane.step(true, live.position())) === "end";
        await pace(lane);
        if ((reached || isNear(lane, live)) && (await this.#handOver(lane, live))) return;
      }
    } finally {
      // Its reader is closed before the next one opens in its place.
      if (this.#live !== lane) await lane.close();
      this.#deps.slots.give();
    }
    if (!lane.running) return;
    this.#live = lane;
    for (const { runner } of lane.members) runner.follow(true);
    await this.#runLive(lane);
  }

  /** True if the sinks are with the live lane now. If that has ended, this lane takes its place. */
  async #handOver(lane: Lane, live: Lane): Promise<boolean> {
    const meeting = await live.meet();
    if (!meeting) {
      if (this.#live === live) this.#live = lane;
      return false;
    }
    try {
      if (!(await reach(lane, meeting.at)) || !live.running) return false;
      for (const member of [...lane.members] as FeedMember[]) {
        lane.leave(member);
        live.members.add(member);
        member.lane = live;
        member.runner.follow(true);
        this.#deps.log.info({ source: this.name, sink: member.runner.name }, "Sink has caught up.");
      }
      return true;
    } finally {
      meeting.release();
    }
  }

  async #end(lane: Lane): Promise<void> {
    if (this.#live === lane) this.#live = undefined;
    await lane.close();
    this.#lanes.delete(lane);
    if (this.#waiting.length > 0) await this.#dispatch();
    this.#settle();
  }

  #settle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

const storedPosition = (start: StartPoint) => (start.at === "position" ? start.position : undefined);

/** What lies beyond the cursor of a lane's sinks and every one of them has. */
function doneByAll(members: readonly Member[]): ByteRange[] {
  const [first, ...others] = members.map(({ ledger }) => ledger.ranges());
  return others.reduce((common, ranges) => common.flatMap((range) => intersect(range, ranges)), first);
}

function intersect({ file, from, to }: ByteRange, ranges: readonly ByteRange[]): ByteRange[] {
  return ranges
    .filter((range) => range.file === file && range.from < to && range.to > from)
    .map((range) => ({ file, from: Math.max(from, range.from), to: Math.min(to, range.to) }));
}

/** Waits as long as the slowest `rate` among the lane's sinks wants for the batch in hand. */
async function pace({ members, batch }: Lane): Promise<void> {
  const rate = Math.min(...[...members].map(({ runner }) => runner.options.rate ?? Number.POSITIVE_INFINITY));
  if (Number.isFinite(rate)) await sleep((batch.length / rate) * 1000, undefined, { ref: false });
}

/** Reads to exactly `position`; false if the lane ends before. */
async function reach(lane: Lane, position: Position | undefined): Promise<boolean> {
  if (!position) return true;
  while (lane.running) {
    if (compareCursors(lane.position(), position) >= 0) return true;
    if ((await lane.step(true, position)) === "end") return true;
  }
  return false;
}

/** Within one batch of where the live lane reads: then a meeting is short. */
function isNear(lane: Lane, live: Lane): boolean {
  const [at, head] = [lane.position(), live.position()];
  if (!head) return true;
  if (!at) return false;
  if (at.file.ordinal === head.file.ordinal) return head.offset - at.offset <= lane.batch.buffer.length;
  return lane.atEnd();
}

function startKey({ ledger, start }: FeedMember): string {
  const cursor = ledger.cursor;
  return cursor ? `${cursor.file.fingerprint}:${cursor.offset}` : JSON.stringify(start);
}

/** How recent a start is: the end of the log, then positions in order, then a time, then the beginning. */
function compareStarts(a: FeedMember, b: FeedMember): number {
  const rank = (member: FeedMember) =>
    member.ledger.cursor ? 2 : { end: 3, position: 1, time: 1, beginning: 0 }[member.start.at];
  return rank(a) - rank(b) || compareCursors(a.ledger.cursor, b.ledger.cursor);
}
