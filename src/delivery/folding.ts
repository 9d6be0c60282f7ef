import {
  type Batch,
  type EventView,
  type FoldingSink,
  type Host,
  type Position,
  ROW_WORDS,
  Row,
  type Selection,
  type SinkState,
} from "../plugin/index.js";
import type { Ledger } from "./ledger.js";
import { Runner, type RunnerOptions, type Snapshot } from "./runner.js";

/** Milliseconds that a snapshot waits for a fold: other sinks' wait for it. */
const MOST_WAIT = 500;

/** Runs a sink that has state of its own: what it folded is acknowledged, and kept with its state. */
export class FoldingRunner extends Runner {
  readonly lags = false;
  readonly #sink: FoldingSink;
  /** The stored state that the sink has not taken back yet. */
  #owed: { state: SinkState | undefined } | undefined;
  #folding: Promise<unknown> | undefined;

  constructor(sink: FoldingSink, host: Host, options: RunnerOptions, random?: () => number) {
    super(host, options, random);
    this.#sink = sink;
  }

  /** Gives the sink its stored state back, before anything else. If it cannot take it now, it starts parked, and tries on. */
  async begin(stored: SinkState | undefined): Promise<void> {
    this.#owed = { state: stored };
    try {
      await this.resume();
    } catch (error) {
      const reason = (error as Error).message;
      this.failed(reason);
      this.park(reason);
    }
  }

  async offer(batch: Batch, ledger: Ledger, patient: boolean): Promise<boolean> {
    const started = Date.now();
    for (let attempt = 0; this.taking; attempt++) {
      while (this.#folding) if (!(await this.#settles(this.#folding, patient))) return false;
      if (!this.taking) return false;
      const folding = this.#fold(batch, ledger);
      if (!(await this.#settles(folding, patient))) return false;
      if (await folding) return true;
      if (Date.now() - started >= this.options.stallAfter) return false;
      await this.pause(attempt);
    }
    return false;
  }

  async drain(): Promise<void> {
    while (this.#folding) await this.#folding;
  }

  async snapshot<Cursors>(cursors: () => Cursors): Promise<Snapshot<Cursors> | undefined> {
    while (this.#folding) {
      if (!(await this.within(MOST_WAIT, this.#folding))) return undefined;
    }
    if (this.#owed) return { cursors: cursors(), state: this.#owed.state, flush: async () => {} };
    return { cursors: cursors(), state: this.#sink.state(), flush: () => this.#sink.flush() };
  }

  protected probe(signal: AbortSignal): Promise<void> {
    return this.#sink.probe(signal);
  }

  protected halt(): Promise<void> {
    return this.drain();
  }

  protected async resume(): Promise<void> {
    await this.#sink.restore(this.#owed ? this.#owed.state : this.#sink.state());
    this.#owed = undefined;
  }

  /** True when the fold is over; false if it takes longer than `stallAfter` (a patient lane waits on). */
  async #settles(folding: Promise<unknown>, patient: boolean): Promise<boolean> {
    for (;;) {
      if (await this.within(this.options.stallAfter, folding)) return true;
      if (!patient || !this.taking) return false;
    }
  }

  /** Folds the batch; all that is read of it is read before this returns. After a failure nothing of it counts: false. */
  #fold(batch: Batch, ledger: Ledger): Promise<boolean> {
    const folding = this.#take(
      this.#select(batch, ledger),
      ledger,
      { file: batch.file, offset: batch.offset },
      batch.end,
    );
    this.#folding = folding;
    return folding.finally(() => {
      this.#folding = undefined;
    });
  }

  async #take(selection: Selection, ledger: Ledger, start: Position, end: Position): Promise<boolean> {
    const { count } = selection;
    try {
      const over = count > 0 && (await this.#sink.fold(selection));
      if (over) {
        this.stop(over.reason);
        return false;
      }
      ledger.seal(ledger.open(start, end));
      this.succeeded();
      if (count > 0) this.host.meter.add("auditship_sink_events_total", count, this.name, "created");
      return true;
    } catch (error) {
      const { message, slow } = error as Error & { slow?: boolean };
      if (slow) this.giveUp(message);
      else this.failed(message);
      return false;
    }
  }

  #select(batch: Batch, ledger: Ledger): Selection {
    const rows: number[] = [];
    const again = ledger.mayHave(batch.file);
    for (let row = 0; row < batch.count; row++) {
      if (!this.options.select(batch, row)) continue;
      if (again && ledger.has(batch.file, batch.offset + batch.table[row * ROW_WORDS + Row.line])) continue;
      rows.push(row);
    }
    return new Rows(batch, rows);
  }
}

class Rows implements Selection {
  constructor(
    private readonly batch: Batch,
    private readonly rows: readonly number[],
  ) {}

  get count(): number {
    return this.rows.length;
  }

  *[Symbol.iterator](): Iterator<EventView> {
    for (const row of this.rows) yield this.batch.at(row);
  }
}
