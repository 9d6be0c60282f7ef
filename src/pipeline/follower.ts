import { type DoneRange, Ledger, mergeRanges, type StoredCursor } from "../delivery/ledger.js";
import type { Runner } from "../delivery/runner.js";
import type { Position, StartPoint, StoredPosition } from "../plugin/index.js";
import type { Lane, Member } from "./lane.js";

/** A stored cursor without a file: the log was empty; whatever appears in it is to be read. */
const BEGINNING: StoredPosition = { file: "", offset: 0 };

/** A part of a log that a sink is offered in the log's order. */
export interface Section extends Member {
  readonly follower: Follower;
  /** Where it ends: what comes from there on is another section's. */
  until?: Position;
  /** Where its next batch starts, if it was offered what lies between that and its cursor. */
  next?: Position;
  /** It was offered all of its part. */
  offered?: boolean;
  lane?: Lane;
}

/**
 * A sink on a source. It has one section of the log; two while it takes the newest first: the backlog, and ahead of it what
 * is written now.
 */
export class Follower {
  readonly runner: Runner;
  /** A reader was opened for it: what comes after counts as its own. */
  begun: boolean;
  /** It stays in the log's order until it is on the live lane, whatever is configured: it is slow, or there is no backlog. */
  inOrder = false;
  #start: StartPoint;
  readonly #onAdvance: () => void;
  /** Oldest first. */
  #sections: Section[] = [];

  constructor(runner: Runner, ledger: Ledger, start: StartPoint, begun: boolean, onAdvance: () => void) {
    this.runner = runner;
    this.#start = start;
    this.begun = begun;
    this.#onAdvance = onAdvance;
    this.#add(ledger);
  }

  /** Where it starts as long as it has no cursor. */
  get start(): StartPoint {
    return this.#start;
  }

  get sections(): readonly Section[] {
    return this.#sections;
  }

  /** Up to where it has everything. */
  get cursor(): Position | undefined {
    return this.#sections[0].ledger.cursor;
  }

  /** Bytes beyond the cursor that are done. */
  get ahead(): number {
    return this.#ranges().reduce((sum, { from, to }) => sum + to - from, 0);
  }

  /** The cursor to write down; undefined if it has not begun. */
  stored(): StoredCursor | undefined {
    const cursor = this.#sections[0].ledger.stored() ?? (this.begun ? this.#unread() : undefined);
    if (!cursor) return undefined;
    const ranges = this.#ranges();
    return { file: cursor.file, offset: cursor.offset, ...(ranges.length > 0 && { ranges }) };
  }

  /** Starts at `position`, wherever the log ends when it gets a lane; undefined: in a log that is empty now. */
  begin(position: Position | undefined): void {
    this.begun = true;
    if (position) this.#sections[0].ledger.begin(position);
    else this.#start = { at: "beginning" };
  }

  /** Parts what is written from `at` on from the backlog before it. */
  split(at: Position): Section {
    this.begun = true;
    const [backlog] = this.#sections;
    backlog.until = at;
    const ahead = Ledger.ahead(at);
    ahead.mayBeSent(backlog.ledger.sent);
    return this.#add(ahead);
  }

  /** One section again, as after parking: what was acknowledged ahead is kept as ranges. */
  unite(): Section {
    const [first] = this.#sections;
    this.inOrder = false;
    if (this.#sections.length === 1) {
      first.next = undefined;
      return first;
    }
    const united = new Ledger(first.ledger.cursor, this.#ranges());
    for (const { ledger } of this.#sections.splice(0)) {
      united.mayBeSent(ledger.sent);
      this.runner.removeLedger(ledger);
    }
    return this.#add(united);
  }

  /** Takes it off its lanes. What is on its way may be dropped afterwards: no section counts as offered any more. */
  leave(): void {
    for (const section of this.#sections) {
      section.lane?.leave(section);
      section.lane = undefined;
      section.offered = false;
    }
  }

  /** A section was offered all of its part: when that is acknowledged, the next section's cursor is the sink's. */
  complete(section: Section): void {
    section.lane = undefined;
    section.offered = true;
    this.#advance();
  }

  close(): void {
    for (const { ledger } of this.#sections) this.runner.removeLedger(ledger);
  }

  #advance(): void {
    while (this.#sections[0].offered && !this.#sections[0].ledger.busy) {
      this.runner.removeLedger(this.#sections.shift()!.ledger);
      this.#sections[0].ledger.join();
    }
  }

  #ranges(): DoneRange[] {
    return mergeRanges(this.#sections.flatMap(({ ledger }) => ledger.ranges()));
  }

  #unread(): StoredCursor {
    return this.start.at === "position" ? this.start.position : BEGINNING;
  }

  #add(ledger: Ledger): Section {
    const section: Section = { follower: this, runner: this.runner, ledger };
    ledger.onAdvance = () => {
      this.#advance();
      this.#onAdvance();
    };
    this.runner.addLedger(ledger);
    this.#sections.push(section);
    return section;
  }
}
