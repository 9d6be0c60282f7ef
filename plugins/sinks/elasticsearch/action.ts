import type { ByteWriter, EventView, Frame } from "../../../src/plugin/index.js";
import type { Routing } from "./routing.js";
import { indexOf, type Target } from "./target.js";

/** The action lines of a bulk request: `create`, the index of the event's day, its id, and its routing if it has one. */
export class ActionLine {
  readonly #target: Target;
  readonly #routing: Routing | undefined;
  #day = "";
  /** The line up to the id, for `#day`. */
  #start = Buffer.alloc(0);

  constructor(target: Target, routing: Routing | undefined) {
    this.#target = target;
    this.#routing = routing;
  }

  /** Appends an event's line; `day` is that of its index. */
  write(event: EventView, day: string, out: ByteWriter): void {
    out.copy(this.#startOf(day));
    event.writeId(out);
    const routing = this.#routing?.(event);
    if (routing !== undefined) out.text(`","routing":"${routing}`);
    out.copy(END);
  }

  /** What stands around the id and the document of each event of a day, if that is the same. */
  frame(day: string): Frame | undefined {
    if (this.#routing !== undefined) return undefined;
    return { before: this.#startOf(day), between: END, after: NEWLINE };
  }

  #startOf(day: string): Buffer {
    if (day !== this.#day) {
      this.#day = day;
      this.#start = Buffer.from(`{"create":{"_index":"${indexOf(this.#target, day)}","_id":"`);
    }
    return this.#start;
  }
}

const END = Buffer.from('"}}\n');
const NEWLINE = Buffer.from("\n");
