import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeadLetters } from "../../src/delivery/dead-letters.js";
import { Ledger } from "../../src/delivery/ledger.js";
import { createSelect } from "../../src/delivery/select.js";
import { SendingRunner } from "../../src/delivery/sending.js";
import { StoredEvent } from "../../src/pipeline/stored-event.js";
import { auditLine, batchOf } from "../support/batches.js";
import { quietHost } from "../support/far-end.js";
import { openSink } from "./search-sink.js";

const BATCH = 100;

/** Events that keep coming, and the host's half of the sink that delivers them. It never parks: nobody offers again. */
export class Load {
  /** What was counted, as `metric sink label`. */
  readonly counted = new Map<string, number>();
  /** Events so far. */
  count = 0;
  readonly #ledger = new Ledger();
  #offset = 0;
  #stopped = false;

  private constructor(
    private readonly runner: SendingRunner,
    private readonly letters: DeadLetters,
    private readonly state: string,
    counted: Map<string, number>,
  ) {
    this.counted = counted;
    runner.addLedger(this.#ledger);
  }

  /** To a sink with these options. */
  static async on(options: object): Promise<Load> {
    const counted = new Map<string, number>();
    const host = quietHost("archive", counted);
    const state = await mkdtemp(join(tmpdir(), "auditship-load-"));
    const letters = new DeadLetters(state, "archive", { maxSize: 1 << 20, whenFull: "park" }, host.meter);
    const runner = new SendingRunner(
      await openSink(options),
      host,
      {
        request: { maxBytes: 1 << 20, maxEvents: 50, maxWait: 20 },
        retry: { initial: 20, max: 500, slow: 500 },
        concurrency: 2,
        memory: 32 << 20,
        compression: "gzip",
        stallAfter: 600_000,
        select: createSelect("all", () => () => true),
      },
      { deadLetters: letters, viewLetter: StoredEvent.of },
    );
    await runner.begin();
    return new Load(runner, letters, state, counted);
  }

  /** Why the last attempt failed. */
  get failing(): string | undefined {
    return this.runner.failing;
  }

  /** Offers more events, and resolves when they are taken into requests. */
  async more(): Promise<void> {
    const lines = Array.from({ length: BATCH }, (_, n) => auditLine(this.count + n));
    const batch = batchOf(lines, this.#offset);
    this.count += BATCH;
    this.#offset = batch.end.offset;
    await this.runner.offer(batch, this.#ledger, true);
  }

  /** Offers events until {@link stop}, as fast as they are taken. */
  async run(): Promise<void> {
    while (!this.#stopped) await this.more();
  }

  /** Resolves when so many more events are acknowledged as stored. */
  async delivered(more: number, running: Promise<void>): Promise<void> {
    const goal = this.stored + more;
    while (this.stored < goal && !this.#stopped) {
      await Promise.race([running, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
  }

  /** Events that were stored, as the far end said. */
  get stored(): number {
    const of = (result: string) => this.counted.get(`auditship_sink_events_total archive ${result}`) ?? 0;
    return of("created") + of("duplicate");
  }

  /** Delivers what there is; returns the number of dead letters. */
  async end(): Promise<number> {
    this.#stopped = true;
    await this.runner.drain();
    this.runner.close();
    await this.letters.close();
    await rm(this.state, { recursive: true });
    return this.letters.count;
  }
}
