import type { Host } from "../plugin/index.js";

/** Milliseconds between two lines about refused events. */
const PAUSE = 10_000;

/** Says in the log that events were refused: of the first at once, of others at most every ten seconds, so that nobody floods it. */
export class RefusalNotice {
  #events = 0;
  #reason = "";
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly host: Pick<Host, "name" | "log">) {}

  /** So many more were put aside; `reason` is that of one of them. */
  note(events: number, reason: string): void {
    this.#events += events;
    this.#reason = reason;
    if (this.#timer === undefined) this.#say();
  }

  /** Says what was not said yet. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#events > 0) this.#say();
    clearTimeout(this.#timer);
  }

  #say(): void {
    this.host.log.warn(
      { sink: this.host.name, events: this.#events, reason: this.#reason },
      "Sink refused events; they are in the dead letters (auditship dlq list).",
    );
    this.#events = 0;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#events > 0) this.#say();
    }, PAUSE);
    this.#timer.unref();
  }
}
