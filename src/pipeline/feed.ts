import { compareCursors, Ledger, type StoredCursor } from "../delivery/ledger.js";
import type { Runner } from "../delivery/runner.js";
import type { EventBatch } from "../event/index.js";
import { faultOf } from "../observe/fault.js";
import {
  type Batch,
  comparePositions,
  type Lag,
  type Logger,
  type Position,
  type Reader,
  type Source,
  type StartPoint,
} from "../plugin/index.js";
import { CatchUp, isPaced, pace } from "./catch-up.js";
import { Follower, type Section } from "./follower.js";
import { Lane } from "./lane.js";
import { Seen, type Span } from "./seen.js";
import type { Slots } from "./slots.js";
import { compareStarts, placeOf, startKey, startOf, startsAtEnd } from "./starts.js";
import type { SourceState } from "./state.js";

/** What a feed needs from the agent. */
export interface FeedDeps {
  source: string;
  log: Logger;
  /** Places for catch-up lanes, shared by all feeds. */
  slots: Slots;
  newBatch(): EventBatch;
  /** Bytes of a batch's buffer: a backlog of less is not worth a lane of its own. */
  batchBytes: number;
  /** Runs the stages. Throws if a required one failed. */
  runStages(batch: Batch): Promise<void>;
  /** Counts a batch; `fresh` is what of it was never read before. */
  count(batch: EventBatch, fresh: readonly Span[]): void;
  /** A cursor moved, or the source was read further. */
  onProgress(runner: Runner | undefined): void;
  /** A lane cannot go on. */
  onFailure(error: Error): void;
}

/**
 * One source and the sinks on it. The live lane reads at the head for the sinks that keep up; a sink that was parked, starts
 * behind, or is slower than the log follows in a catch-up lane until it meets the live one. One that takes the newest first
 * is on the live lane at once, and its backlog in a catch-up lane.
 */
export class Feed {
  readonly #source: Source;
  readonly #deps: FeedDeps;
  readonly #seen: Seen;
  readonly #followers = new Map<Runner, Follower>();
  readonly #lanes = new Set<Lane>();
  readonly #dispatchAgain = () => void this.#dispatch();
  #live: Lane | undefined;
  #waiting: Section[] = [];
  #dispatching = false;
  #stopped = false;
  /** Where the log ended when this agent opened it. */
  readonly #before: Position | undefined;
  /** Every sink that has a place in the log was added. */
  #complete = false;
  /** They are where they begin. */
  #begun = false;
  /** Oldest cursor when the state was asked for, and whether its sinks had begun. */
  #stated: { oldest?: Position; begun: boolean } = { begun: false };
  #idle: (() => void)[] = [];

  constructor(source: Source, stored: Pick<SourceState, "highWater" | "gaps"> | undefined, deps: FeedDeps) {
    this.#source = source;
    this.#deps = deps;
    this.#before = source.end();
    this.#seen = new Seen(stored ?? {}, (position) => source.locate(position));
    source.onChange = () => deps.onProgress(undefined);
  }

  get name(): string {
    return this.#deps.source;
  }

  /** Puts a sink on this source, at its stored cursor or else at `start`. */
  add(runner: Runner, stored: StoredCursor | undefined, start: StartPoint): void {
    const begun = stored !== undefined;
    const ledger = new Ledger(stored?.file ? this.#source.locate(stored) : undefined, stored?.ranges);
    // What was sent before a crash is not known. It was in the log when we started, or a sink before this one read it.
    ledger.mayBeSent(this.#before);
    ledger.mayBeSent(this.#seen.highWater);
    const from: StartPoint = stored?.file ? { at: "position", position: stored } : begun ? { at: "beginning" } : start;
    const follower = new Follower(runner, ledger, from, begun, () => this.#onAdvance(follower));
    this.#followers.set(runner, follower);
    this.#admit(follower.sections[0]);
  }

  /** Call when every sink that has a place in the log was added. Resolves when they are where they begin, as far as there are lanes. */
  async begun(): Promise<void> {
    this.#complete = true;
    void this.#dispatch();
    while (this.#dispatching) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#begun = true;
  }

  /** Takes a sink off this source. */
  remove(runner: Runner): void {
    this.leave(runner);
    this.#followers.get(runner)?.close();
    this.#followers.delete(runner);
  }

  /** The sink parked. */
  leave(runner: Runner): void {
    this.#waiting = this.#waiting.filter((section) => section.runner !== runner);
    this.#followers.get(runner)?.leave();
  }

  /** The sink answers again: it waits for its lane. */
  rejoin(runner: Runner): void {
    const follower = this.#followers.get(runner);
    if (!follower) return;
    // One that started parked may be in a lane that has had no batch for it yet.
    this.leave(runner);
    this.#admit(follower.unite());
  }

  /** The sink's cursor to write down; undefined if it has not begun. */
  cursor(runner: Runner): StoredCursor | undefined {
    return this.#followers.get(runner)?.stored();
  }

  /** How far behind the sink is. */
  lag(runner: Runner): Lag {
    const follower = this.#followers.get(runner);
    const { bytes, seconds } = this.#source.lag(follower?.cursor);
    return { bytes: Math.max(0, bytes - (follower?.ahead ?? 0)), seconds };
  }

  /** Sets the source's gauges. */
  measure(): void {
    this.#source.measure?.();
  }

  /** What the source wants kept, from the oldest cursor on; undefined before {@link begun}: that of somebody may be missing. */
  state(): SourceState | undefined {
    if (!this.#complete) return undefined;
    let oldest = this.#seen.highWater;
    for (const { cursor } of this.#followers.values()) if (compareCursors(cursor, oldest) < 0) oldest = cursor;
    this.#seen.forget(oldest);
    this.#stated = { oldest, begun: this.#begun };
    return { table: this.#source.state(oldest), ...this.#seen.stored() };
  }

  /** What {@link state} gave last is written down, and so are the cursors of that moment. */
  written(): void {
    const { oldest, begun } = this.#stated;
    if (begun) this.#source.begin?.();
    if (oldest) this.#source.release?.(oldest);
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

  #onAdvance(follower: Follower): void {
    this.#tell(follower);
    this.#deps.onProgress(follower.runner);
  }

  // ---- which sink gets which lane

  #admit(section: Section): void {
    if (this.#stopped) return;
    this.#waiting.push(section);
    // Sinks that are admitted in one go can share a lane.
    queueMicrotask(this.#dispatchAgain);
  }

  /** Gives waiting sinks their lanes: the live one first, then catch-up lanes while there are places. */
  async #dispatch(): Promise<void> {
    if (this.#dispatching) return;
    this.#dispatching = true;
    try {
      while (this.#waiting.length > 0 && !this.#stopped) {
        if (this.#live && this.#waiting.some(startsAtEnd)) await this.#placeAtEnd();
        else if (this.#waiting.some((section) => this.#goesAhead(section))) await this.#goAhead();
        else if (!this.#live) await this.#launch(this.#waiting.reduce((a, b) => (compareStarts(b, a) > 0 ? b : a)));
        else if (this.#deps.slots.take()) await this.#launch(this.#waiting[0]);
        else {
          this.#deps.slots.whenFree(this.#dispatchAgain);
          return;
        }
      }
    } catch (error) {
      this.#deps.onFailure(error as Error);
    } finally {
      this.#dispatching = false;
      this.#settle();
    }
  }

  /** Notes where the log ends for sinks that start there: what is written while they wait for a lane is theirs. */
  async #placeAtEnd(): Promise<void> {
    const sections = this.#waiting.filter(startsAtEnd);
    const reader = await this.#source.reader({ at: "end" });
    const end = reader.position();
    await reader.close();
    for (const { follower } of sections) {
      if (!this.#followers.has(follower.runner)) continue;
      follower.begin(end);
      this.#deps.onProgress(follower.runner);
    }
  }

  /** True if its sink takes the newest first and has a backlog. */
  #goesAhead(section: Section): boolean {
    const { runner, follower } = section;
    if (runner.options.catchUp !== "newest" || follower.inOrder || follower.sections.length > 1) return false;
    const place = placeOf(section);
    return (place !== undefined || !["end", "time"].includes(follower.start.at)) && this.#isBehind(place);
  }

  #isBehind(place: Position | undefined): boolean {
    return this.#source.lag(place).bytes > BACKLOG * this.#deps.batchBytes;
  }

  /** Puts sinks that take the newest first on the live lane, which is opened at the log's end if there is none. */
  async #goAhead(): Promise<void> {
    const live = this.#live;
    if (live) {
      const meeting = await live.meet();
      if (!meeting || this.#isBehind(meeting.at)) {
        if (this.#live === live) this.#live = undefined;
        if (meeting) this.#giveWay(live);
      } else for (const section of this.#part(meeting.at)) this.#join(section, live);
      meeting?.release();
      return;
    }
    const reader = await this.#source.reader({ at: "end" });
    const at = reader.position();
    const sections = this.#live ? [] : this.#part(at);
    if (sections.length === 0) return reader.close();
    this.#seen.jump(at!);
    this.#begin(reader, sections, true);
  }

  /** Splits the backlog from the newest, for waiting sinks that take the newest first. A sink that is not behind `at` stays in order. */
  #part(at: Position | undefined): Section[] {
    const ahead: Section[] = [];
    for (const section of this.#waiting.filter((waiting) => this.#goesAhead(waiting))) {
      const place = placeOf(section);
      section.follower.inOrder = !at || (place !== undefined && comparePositions(place, at) >= 0);
      if (at && !section.follower.inOrder) ahead.push(section.follower.split(at));
    }
    return ahead;
  }

  /** Opens a lane for a section, and for all others that start where it does. */
  async #launch(first: Section): Promise<void> {
    const live = this.#live === undefined;
    const key = startKey(first);
    const group = this.#waiting.filter((section) => startKey(section) === key);
    let launched = false;
    try {
      const reader = await this.#source.reader(startOf(group));
      // Meanwhile some may have parked, or another lane may have become the live one.
      const sections = live && this.#live ? [] : group.filter((section) => this.#waiting.includes(section));
      if (sections.length === 0) return await reader.close();
      this.#waiting = this.#waiting.filter((section) => !sections.includes(section));
      this.#begin(reader, sections, live);
      launched = true;
    } finally {
      if (!live && !launched) this.#deps.slots.give();
    }
  }

  #begin(reader: Reader, sections: readonly Section[], live: boolean): void {
    const lane = new Lane(reader, sections, {
      source: this.name,
      batch: this.#deps.newBatch(),
      prepare: (batch, again) => this.#prepare(batch, again),
      onHeld: (error) =>
        this.#deps.log.error(
          { source: this.name, error: faultOf(error) },
          "A required stage failed; the lane waits and tries again.",
        ),
      onLeft: (section) => this.#onBacklogRead(section as Section),
      onBehind: (section) => this.#fallBehind(section as Section),
    });
    if (live) this.#live = lane;
    this.#lanes.add(lane);
    const position = reader.position();
    for (const section of sections) {
      const { follower, ledger } = section;
      if (startsAtEnd(section)) follower.begin(position);
      follower.begun ||= follower.start.at !== "time" || position !== undefined;
      section.lane = lane;
      section.next = undefined;
      if (position && !ledger.cursor) ledger.begin(position);
      this.#tell(follower);
      this.#deps.onProgress(follower.runner);
    }
    const run = live ? this.#runLive(lane) : this.#catchUp(lane);
    void run.catch((error: Error) => this.#deps.onFailure(error)).finally(() => this.#end(lane));
  }

  async #prepare(batch: EventBatch, again: boolean): Promise<void> {
    this.#deps.count(batch, again ? [] : this.#seen.claim(batch));
    await this.#deps.runStages(batch);
    this.#seen.add(batch);
  }

  // ---- what lanes do

  async #runLive(lane: Lane): Promise<void> {
    while (lane.running && this.#live === lane) {
      await lane.receive();
      if ((await lane.step()) === "end") return;
      if (isPaced(lane) && this.#isBehind(lane.position())) await pace(lane);
      this.#separate(lane);
    }
    // Another has taken its place, because it was stuck.
    if (lane.running) this.#giveWay(lane);
  }

  /** Follows the live lane until it can hand its sinks over, or takes its place if that has ended. */
  async #catchUp(lane: Lane): Promise<void> {
    const catchUp = new CatchUp(lane);
    const turnEnds = performance.now() + this.#deps.slots.turn;
    try {
      while (lane.running && this.#live && this.#live !== lane) {
        const live = this.#live;
        if (this.#deps.slots.wanted && performance.now() >= turnEnds) this.#giveWay(lane);
        else if (await catchUp.follow(live, this.#deps.slots.wanted)) await this.#meet(catchUp, lane, live);
        this.#separate(lane);
      }
    } finally {
      // Its reader is closed before the next one opens in its place.
      if (!lane.running) await lane.close();
      this.#deps.slots.give();
    }
    if (!lane.running) return;
    this.#live = lane;
    for (const { follower } of lane.members as Set<Section>) this.#tell(follower);
    await this.#runLive(lane);
  }

  async #meet(catchUp: CatchUp, lane: Lane, live: Lane): Promise<void> {
    const met = await catchUp.meet(live, () => {
      for (const section of [...lane.members] as Section[]) {
        lane.leave(section);
        if (section.until) this.#onBacklogRead(section);
        else this.#join(section, live);
      }
    });
    if (met === "gone" && this.#live === live) this.#live = lane;
  }

  /** Puts a section on the live lane, between two of its batches. */
  #join(section: Section, live: Lane): void {
    live.members.add(section);
    section.lane = live;
    section.follower.inOrder = false;
    this.#tell(section.follower);
    if (section.follower.sections.length === 1)
      this.#deps.log.info({ source: this.name, sink: section.runner.name }, "Sink has caught up.");
  }

  /** Gives up the lane's slot to a waiting one; its sinks continue from where they are when it is their turn again. */
  #giveWay(lane: Lane): void {
    for (const section of [...lane.members] as Section[]) {
      lane.leave(section);
      this.#goOnLater(section);
    }
  }

  /** Takes sinks off the lane that hold up the others. */
  #separate(lane: Lane): void {
    for (const section of [...lane.slow()] as Section[]) {
      lane.leave(section);
      this.#fallBehind(section);
    }
  }

  /** The sink does not keep up with the others of its lane, and continues in a lane of its own. */
  #fallBehind(section: Section): void {
    const { follower, runner } = section;
    this.#deps.log.info(
      { source: this.name, sink: runner.name },
      "Sink does not keep up; it follows in a lane of its own.",
    );
    follower.inOrder = true;
    this.#goOnLater(section);
  }

  #goOnLater(section: Section): void {
    section.lane = undefined;
    section.next = section.ledger.end;
    this.#tell(section.follower);
    this.#admit(section);
  }

  #onBacklogRead(section: Section): void {
    this.#deps.log.info({ source: this.name, sink: section.runner.name }, "Sink has read its backlog.");
    section.follower.complete(section);
    this.#onAdvance(section.follower);
  }

  /** Tells a sink whether it is where the log is written, and all before that is done. */
  #tell({ runner, sections }: Follower): void {
    runner.follow(sections.length === 1 && sections[0].lane !== undefined && sections[0].lane === this.#live);
  }

  async #end(lane: Lane): Promise<void> {
    if (this.#live === lane) this.#live = undefined;
    await lane.close();
    lane.batch.close();
    this.#lanes.delete(lane);
    await this.#dispatch();
    this.#settle();
  }

  #settle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

/** A backlog of fewer batches than this is not worth a lane of its own. */
const BACKLOG = 4;
