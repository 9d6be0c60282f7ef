import { DayNames, type Frame, type SendingSink } from "../plugin/index.js";

const DAY_MS = 24 * 60 * 60 * 1000;

/** A sink's frames, asked for once for each day that comes up. */
export class Frames {
  readonly #days = new DayNames();
  /** Epoch milliseconds at which the day of `#frame` begins. */
  #start = Number.NaN;
  #frame: Frame | undefined;

  constructor(private readonly sink: Pick<SendingSink, "frame">) {}

  /** The frame of events of a time in epoch milliseconds; undefined for NaN, and where each event is encoded by itself. */
  at(time: number): Frame | undefined {
    if (this.sink.frame === undefined || Number.isNaN(time)) return undefined;
    if (!this.covers(time)) {
      this.#start = Math.floor(time / DAY_MS) * DAY_MS;
      this.#frame = this.sink.frame(this.#days.nameOf(time));
    }
    return this.#frame;
  }

  /** True if the last frame is also that of this time. */
  covers(time: number): boolean {
    return time >= this.#start && time < this.#start + DAY_MS;
  }
}
