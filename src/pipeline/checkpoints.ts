import type { Runner } from "../delivery/runner.js";
import { AuditshipError, type Logger } from "../plugin/index.js";
import type { Feed } from "./feed.js";
import type { SinkRecord, StateStore } from "./state.js";

/** Milliseconds from the first change to the write: at most four writes a second and sink. */
const COALESCE = 250;
const RETRY = 1000;
/** A write is followed by a pause this many times as long, for many files or a slow disk, up to {@link MOST_PAUSE}. */
const PAUSE = 10;
const MOST_PAUSE = 2000;

/** Writes cursors, sink state and file tables to disk, soon after they changed. A failed write is tried again. */
export class Checkpoints {
  /** Called when another agent writes the same state: this one must stop. */
  onLocked: (error: AuditshipError) => void = () => {};
  /** Called when something cannot be written, with the reason, once for each. */
  onFailed: (reason: string) => void = () => {};
  /** Called when everything is written. */
  onWritten: () => void = () => {};
  readonly #store: StateStore;
  readonly #feeds: () => Iterable<Feed>;
  readonly #log: Logger;
  readonly #sinks = new Set<Runner>();
  /** What was stored of each sink at startup: cursors of sources that are not configured now are kept. */
  readonly #restored = new Map<string, SinkRecord>();
  /** Sinks of which something was written. */
  readonly #stored = new WeakSet<Runner>();
  #sources = false;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<boolean> | undefined;
  #written = Date.now();
  /** Milliseconds that the last write took. */
  #took = 0;
  /** Why writes failed since the last that was whole. */
  readonly #failures = new Set<string>();

  constructor(store: StateStore, feeds: () => Iterable<Feed>, log: Logger) {
    this.#store = store;
    this.#feeds = feeds;
    this.#log = log;
  }

  async restore(sink: string): Promise<SinkRecord | undefined> {
    const record = await this.#store.readSink(sink);
    if (record) this.#restored.set(sink, record);
    return record;
  }

  /** Something of the sink (or only of a source) changed. */
  touch(runner: Runner | undefined): void {
    if (runner) this.#sinks.add(runner);
    this.#sources = true;
    this.#schedule(Math.max(COALESCE, Math.min(MOST_PAUSE, PAUSE * this.#took)));
  }

  /** True once something of the sink was written. */
  has(runner: Runner): boolean {
    return this.#stored.has(runner);
  }

  /** Seconds since everything was last written. */
  age(): number {
    return this.#sinks.size === 0 && !this.#sources ? 0 : (Date.now() - this.#written) / 1000;
  }

  /** Writes what changed now; false if something could not be written. */
  async flush(): Promise<boolean> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#writing) await this.#writing;
    const started = performance.now();
    this.#writing = this.#writeAll();
    const whole = await this.#writing;
    this.#took = performance.now() - started;
    this.#writing = undefined;
    if (!whole) this.#schedule(RETRY);
    else {
      this.#written = Date.now();
      for (const feed of this.#feeds()) feed.written();
      if (this.#failures.size > 0) this.#log.info({}, "State is written again.");
      this.#failures.clear();
      this.onWritten();
    }
    return whole;
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(delay: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.flush();
    }, delay).unref();
  }

  async #writeAll(): Promise<boolean> {
    // A closed one was written before that: no feed knows its cursors any more, and another may have its name.
    const sinks = [...this.#sinks].filter(({ state }) => state !== "closed");
    this.#sinks.clear();
    let whole = true;
    // Tables first: a cursor must never name a file that the table does not know.
    if (this.#sources) {
      this.#sources = false;
      // Taken at the same moment as the sinks to be written: what a sink passes meanwhile is not released yet.
      const states = [...this.#feeds()].map((feed) => ({ name: feed.name, state: feed.state() }));
      for (const { name, state } of states)
        whole = state !== undefined && (await this.#attempt(() => this.#store.writeSource(name, state))) && whole;
      if (!whole) this.#sources = true;
    }
    const written = await Promise.all(sinks.map((runner) => this.#attempt(() => this.#writeSink(runner))));
    for (const [index, runner] of sinks.entries()) if (!written[index]) this.#sinks.add(runner);
    return whole && written.every(Boolean);
  }

  /** False if the sink is too busy to say what to write: it is asked again, and holds up no other. */
  async #writeSink(runner: Runner): Promise<boolean> {
    const snapshot = await runner.snapshot(() => this.#cursors(runner));
    if (!snapshot) return false;
    const { cursors, state, flush } = snapshot;
    await flush();
    await this.#store.writeSink(runner.name, { cursors, ...(state && { state }) });
    this.#stored.add(runner);
    return true;
  }

  #cursors(runner: Runner): SinkRecord["cursors"] {
    const cursors = { ...this.#restored.get(runner.name)?.cursors };
    for (const feed of this.#feeds()) {
      const cursor = feed.cursor(runner);
      if (cursor) cursors[feed.name] = cursor;
    }
    return cursors;
  }

  async #attempt(write: () => Promise<unknown>): Promise<boolean> {
    try {
      return (await write()) !== false;
    } catch (error) {
      const failure = error instanceof AuditshipError ? error : undefined;
      if (failure?.code === "AUDITSHIP_STATE_LOCKED") this.onLocked(failure);
      this.#fail(failure?.line() ?? (error as Error).message);
      return false;
    }
  }

  #fail(reason: string): void {
    if (this.#failures.has(reason)) return;
    this.#failures.add(reason);
    this.#log.error({ error: reason }, "Cannot write state; delivery goes on, trying again.");
    this.onFailed(reason);
  }
}
