import { type Batch, backoff, type Host, type SinkState } from "../plugin/index.js";

import type { Ledger } from "./ledger.js";
import type { Select } from "./select.js";

/** Resolved host options of a sink (config/schema.ts `sinkSchema`). Times in milliseconds, sizes in bytes. */
export interface RunnerOptions {
  request: { maxBytes: number; maxEvents: number; maxWait: number };
  retry: { initial: number; max: number; slow: number };
  /** Most requests in flight. */
  concurrency: number;
  /** Bytes of memory for requests, on their way and being filled. */
  memory: number;
  compression: "gzip" | "none";
  stallAfter: number;
  /** Bytes per second while catching up. */
  rate?: number;
  /** newest: what is written now comes before a backlog. Default oldest. */
  catchUp?: "oldest" | "newest";
  select: Select;
}

/** live and catching-up: takes batches; parked: probes its far end, holds no buffer; stopped: parked for good. */
export type RunnerState = "live" | "catching-up" | "parked" | "stopped" | "closed";

/** What a sink keeps on disk: its cursors and its state, both of one moment. */
export interface Snapshot<Cursors> {
  cursors: Cursors;
  state?: SinkState;
  /** Resolves when what `state` says is durable. */
  flush(): Promise<void>;
}

/**
 * Runs one sink: what is the same for all of them. A lane offers it batches; when it takes nothing for `stallAfter` it is
 * parked, probes its far end with backoff, and says when it is ready to be offered batches again from its cursors.
 */
export abstract class Runner {
  readonly name: string;
  /** Called when it parks or stops: whoever offers must stop, its ledgers are behind. */
  onParked: (reason: string) => void = () => {};
  /** Called when it stops. */
  onStopped: (reason: string) => void = () => {};
  /** Called when {@link stuck} has another reason, while it is not parked for it. */
  onHindered: () => void = () => {};
  /** Called when it can go on from its cursors, before it does: what it starts from must be on disk. */
  onResumed: () => Promise<unknown> = async () => {};
  /** Called when the far end answers again. */
  onReady: () => void = () => {};
  /** Called on the first sign that the far end took something (or answered the probe), and when {@link stuck} is over. */
  onAnswered: () => void = () => {};
  readonly #ledgers = new Set<Ledger>();
  readonly #wakers = new Set<() => void>();
  #state: RunnerState = "live";
  #answered = false;
  #finishing = false;
  #failing: string | undefined;
  /** The far end wants to be asked no sooner, by `performance.now()`. */
  #notBefore = 0;
  #stuck: string | undefined;

  constructor(
    protected readonly host: Host,
    readonly options: RunnerOptions,
    protected readonly random: () => number = Math.random,
  ) {
    this.name = host.name;
    this.#show();
    this.#stick(undefined);
  }

  get state(): RunnerState {
    return this.#state;
  }

  /** True if it may be offered batches. */
  get taking(): boolean {
    return this.#state === "live" || this.#state === "catching-up";
  }

  /** Why the last attempt failed; undefined since the last one that did not. */
  get failing(): string | undefined {
    return this.#failing;
  }

  /** Why it takes nothing or not all, if only an operator can mend that. */
  get stuck(): string | undefined {
    return this.#stuck;
  }

  /** True if nothing it took waits for an acknowledgement. */
  get idle(): boolean {
    for (const ledger of this.#ledgers) if (ledger.busy) return false;
    return true;
  }

  /** The ledger of a source: acknowledgements of its events go there. */
  addLedger(ledger: Ledger): void {
    this.#ledgers.add(ledger);
  }

  removeLedger(ledger: Ledger): void {
    this.#ledgers.delete(ledger);
  }

  /** True if its ledger says where to go on when an offer came to nothing while it was taking. */
  abstract readonly lags: boolean;
  /**
   * Takes what it selects of a batch; resolves to true when the batch's buffer may be reused, to false if the sink is
   * parked or takes nothing for {@link HOLD}. `patient` waits until it was failing for `stallAfter`.
   */
  abstract offer(batch: Batch, ledger: Ledger, patient: boolean): Promise<boolean>;
  /** Resolves when everything taken is acknowledged, or the sink parks. */
  abstract drain(): Promise<void>;
  /** The sink's state, and what `cursors` says at the same moment; undefined if it is in the middle of something for long. */
  abstract snapshot<Cursors>(cursors: () => Cursors): Promise<Snapshot<Cursors> | undefined>;
  protected abstract probe(signal: AbortSignal): Promise<void>;
  /** Throws away what is queued; resolves when nothing is in flight any more. */
  protected abstract halt(): Promise<void>;
  /** Makes ready to be offered batches again from the cursors. */
  protected abstract resume(): Promise<void>;

  /** Asks the far end whether it is there, until it answers or something was delivered. */
  async greet(): Promise<void> {
    for (let attempt = 0; !this.#answered && !OVER.has(this.#state); attempt++) {
      try {
        await this.probe(AbortSignal.any([this.host.signal, AbortSignal.timeout(PROBE_TIMEOUT)]));
        this.succeeded();
      } catch (error) {
        if (attempt === 0) this.failed((error as Error).message);
        await this.pause(attempt);
      }
    }
  }

  /** Takes the sink off its lanes until its far end answers a probe. */
  park(reason: string): void {
    // A far end that answers probes and takes nothing is left alone for a while.
    this.#park(reason, this.#stuck === undefined ? 0 : this.options.retry.slow);
  }

  /** Parks it for what only an operator can mend: `/readyz` says so, and it rests for up to `rest` milliseconds before a probe. */
  protected giveUp(reason: string, rest = 0): void {
    if (!this.taking) return;
    this.#stick(reason);
    this.#park(reason, rest);
  }

  #park(reason: string, rest: number): void {
    if (!this.taking) return;
    this.#become("parked");
    this.host.log.warn(
      { sink: this.name, reason },
      "Sink parked: it takes nothing; its events wait in the audit files.",
    );
    this.onParked(reason);
    void this.#recover(rest);
  }

  /** Takes the sink off its lanes until a reload or a restart makes it anew: asking its far end again would not help. */
  protected stop(reason: string): void {
    if (!this.taking) return;
    this.#failing = reason;
    this.#become("stopped");
    this.host.log.error(
      { sink: this.name, reason },
      "Sink stopped until a reload or a restart: its far end wants nothing more; its events wait in the audit files.",
    );
    this.onParked(reason);
    this.onStopped(reason);
    void this.#letGo();
  }

  /** Said by who offers it batches: whether it has no backlog. */
  follow(live: boolean): void {
    const state = live ? "live" : "catching-up";
    if (this.taking && this.#state !== state) this.#become(state);
  }

  /** Sends what it took before a stop, but tries nothing twice: what is left is offered again after the next start. */
  finish(): Promise<void> {
    this.#finishing = true;
    this.#wake();
    return this.drain();
  }

  /** Stops for good; what is in flight is cut. */
  close(): void {
    this.#become("closed");
  }

  /** True if it goes on when its far end answers. */
  get #comesBack(): boolean {
    return this.#state === "parked" && !this.#finishing;
  }

  /** True if a failed attempt is not to be followed by another. */
  protected get finishing(): boolean {
    return this.#finishing;
  }

  /** `isAll`: nothing of what was sent waits for an operator. */
  protected succeeded(isAll = true): void {
    this.#failing = undefined;
    this.#notBefore = 0;
    if (!isAll) return;
    if (this.#answered && (this.#stuck === undefined || !this.taking)) return;
    this.#answered = true;
    if (this.taking) this.#stick(undefined);
    this.onAnswered();
  }

  /** Something waits for what only an operator can mend: `/readyz` says so until all that is sent is taken. */
  protected hindered(reason: string): void {
    if (this.#stuck === reason) return;
    if (this.#failing !== reason) {
      this.host.log.warn({ sink: this.name, reason }, "Sink does not take some events; retrying.");
    }
    this.#stick(reason);
    this.onHindered();
  }

  protected failed(reason: string): void {
    if (this.#failing !== reason)
      this.host.log.warn({ sink: this.name, reason }, "Sink does not take events; retrying.");
    this.#failing = reason;
  }

  /** Resolves after `ms`, or sooner when the sink's state changes. */
  protected wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wakers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wakers.add(done);
    });
  }

  /** True when `event` resolves; false if that takes longer than `ms`, or the sink's state changes before. Leaves no timer behind. */
  protected async within(ms: number, event: Promise<unknown>): Promise<boolean> {
    let late = () => {};
    const tooLate = new Promise<false>((resolve) => {
      late = () => resolve(false);
    });
    const timer = setTimeout(late, ms);
    this.#wakers.add(late);
    try {
      return await Promise.race([event.then(() => true), tooLate]);
    } finally {
      clearTimeout(timer);
      this.#wakers.delete(late);
    }
  }

  /** Waits as long as the far end asked for; if the sink parks meanwhile, so do its probes. */
  protected waitAsked(ms: number): Promise<void> {
    this.#notBefore = performance.now() + ms;
    return this.wait(ms);
  }

  protected pause(attempt: number): Promise<void> {
    return this.wait(backoff(attempt, this.options.retry, this.random));
  }

  async #letGo(): Promise<void> {
    await this.halt();
    for (const ledger of this.#ledgers) ledger.drop();
  }

  async #recover(rest: number): Promise<void> {
    await this.#letGo();
    const quiet = Math.max(rest * this.random(), this.#notBefore - performance.now());
    if (quiet > 0) await this.wait(quiet);
    for (let attempt = 0; this.#comesBack; attempt++) {
      await this.pause(attempt);
      if (!this.#comesBack) return;
      try {
        await this.probe(AbortSignal.any([this.host.signal, AbortSignal.timeout(PROBE_TIMEOUT)]));
        // What it would go back to may be another's by now.
        if (!this.#comesBack) return;
        await this.resume();
        await this.onResumed();
        this.succeeded();
        if (!this.#comesBack) return;
        this.#stick(undefined);
        this.#become("catching-up");
        this.host.log.info({ sink: this.name }, "Sink answers again; catching up.");
        this.onReady();
      } catch (error) {
        this.failed((error as Error).message);
      }
    }
  }

  #become(state: RunnerState): void {
    this.#state = state;
    this.#show();
    // Whoever waits for room goes on waiting while it takes batches.
    if (!this.taking) this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#wakers]) wake();
  }

  #show(): void {
    for (const state of ["live", "catching-up", "parked", "stopped"]) {
      this.host.meter.set("auditship_sink_state", state === this.#state ? 1 : 0, this.name, state);
    }
  }

  #stick(reason: string | undefined): void {
    this.#stuck = reason;
    this.host.meter.set("auditship_sink_stuck", reason === undefined ? 0 : 1, this.name);
  }
}

/** States in which nobody waits for an answer any more. */
const OVER: ReadonlySet<RunnerState> = new Set(["stopped", "closed"]);

const PROBE_TIMEOUT = 10_000;

/** Milliseconds that a sink may hold up others of its lane. */
export const HOLD = 200;
