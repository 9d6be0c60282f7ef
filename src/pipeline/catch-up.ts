import { compareCursors } from "../delivery/ledger.js";
import { type Position, within } from "../plugin/index.js";
import type { Lane } from "./lane.js";

/** Milliseconds that the live lane waits at most for one that wants to join it: longer would delay the others' events. */
const MEETING = 250;
/** Pause before the next try after such a meeting came to nothing; doubles. */
const BETWEEN_MEETINGS = { first: 1000, longest: 60_000 };

/** Milliseconds between looks at a live lane that has not begun. */
const BEGINNING = 10;

/** The result of a try to join the live lane. `gone`: that lane has ended, is stuck, or is behind, so this one becomes the live lane. */
export type Joined = "joined" | "late" | "gone";

/** A lane that follows the live one until it can hand its sinks over. */
export class CatchUp {
  readonly #lane: Lane;
  #pause = BETWEEN_MEETINGS.first;
  #notBefore = 0;

  constructor(lane: Lane) {
    this.#lane = lane;
  }

  /**
   * Reads a batch, never past the live lane; true if it is so near that a meeting would be short, and may be tried.
   * `hurried`: others wait for the lane's place.
   */
  async follow(live: Lane, hurried: boolean): Promise<boolean> {
    const lane = this.#lane;
    if (this.#mayMeet() && isNear(lane, live)) return true;
    const limit = live.position();
    if (!limit) {
      // It is not known yet where that begins, and this one must not pass it.
      await lane.rest(BEGINNING);
      return false;
    }
    const step = await lane.step({ limit, hurried });
    await pace(lane);
    if (step !== "end") return false;
    if (!this.#mayMeet()) await lane.rest(Math.max(1, this.#notBefore - performance.now()));
    return this.#mayMeet();
  }

  /** Has the live lane stop between two batches, reads up to there, and calls `join` if that is done in time. */
  async meet(live: Lane, join: () => void): Promise<Joined> {
    const meeting = await live.meet();
    if (!meeting) return "gone";
    // Its sinks have what the live lane's next batch holds: they would get it twice.
    if (compareCursors(this.#lane.position(), meeting.at) > 0) {
      meeting.release();
      return "gone";
    }
    const reaching = this.#reach(meeting.at);
    const inTime = (await within(MEETING, reaching)) && (await reaching);
    if (inTime && live.running) join();
    meeting.release();
    if (inTime) return "joined";
    await reaching;
    this.#notBefore = performance.now() + this.#pause;
    this.#pause = Math.min(2 * this.#pause, BETWEEN_MEETINGS.longest);
    return "late";
  }

  /** Sections that end before the lane meets the live one need no meeting. */
  #mayMeet(): boolean {
    return performance.now() >= this.#notBefore && [...this.#lane.members].some(({ until }) => until === undefined);
  }

  /** Reads to exactly `position`; false if the lane ends before. */
  async #reach(position: Position | undefined): Promise<boolean> {
    if (!position) return true;
    while (this.#lane.running) {
      if (compareCursors(this.#lane.position(), position) >= 0) return true;
      if ((await this.#lane.step({ limit: position })) === "end") return true;
    }
    return false;
  }
}

/** Waits as long as the slowest `rate` among the lane's sinks wants for the batch in hand. */
export async function pace(lane: Lane): Promise<void> {
  if (isPaced(lane)) await lane.rest((lane.batch.length / rateOf(lane)) * 1000);
}

export const isPaced = (lane: Lane): boolean => rateOf(lane) < Number.POSITIVE_INFINITY;

const rateOf = ({ members }: Lane): number =>
  Math.min(...[...members].map(({ runner }) => runner.options.rate ?? Number.POSITIVE_INFINITY));

/** Within one batch of where the live lane reads: then a meeting is short. */
function isNear(lane: Lane, live: Lane): boolean {
  const [at, head] = [lane.position(), live.position()];
  if (!head || !at) return head === at;
  if (at.file.ordinal === head.file.ordinal) return head.offset - at.offset <= lane.batch.buffer.length;
  return lane.atEnd();
}
