import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import elasticsearch from "../../plugins/sinks/elasticsearch.js";
import { DeadLetters } from "../../src/delivery/dead-letters.js";
import { createHttp } from "../../src/delivery/http.js";
import { Ledger } from "../../src/delivery/ledger.js";
import { createSelect } from "../../src/delivery/select.js";
import { SendingRunner } from "../../src/delivery/sending.js";
import { EventBatch } from "../../src/event/index.js";
import { StoredEvent } from "../../src/pipeline/stored-event.js";
import type { SendingSink } from "../../src/plugin/index.js";
import { testHost } from "../sinks/support.js";
import { testFile } from "../support/batches.js";
import { quietHost } from "../support/far-end.js";
import type { SearchServer } from "./search-server.js";

type Source = Record<string, unknown>;

/** The sink `elasticsearch` and the host's half of it, in front of a real server. */
export class Shipping {
  /** What was counted, as `metric sink result`. */
  readonly counted = new Map<string, number>();
  #offset = 0;

  private constructor(
    private readonly server: SearchServer,
    private readonly sink: SendingSink,
    private readonly pattern: string,
  ) {}

  /** Sets the target up. `index` holds `{date}`. */
  static async to(server: SearchServer, index: string, shape: string): Promise<Shipping> {
    const host = testHost({ cluster: "prod-1", http: (options) => createHttp(options, quietHost("archive")) });
    const options = elasticsearch.options(z).parse({ ...server.sinkOptions(), index, shape });
    const sink = (await elasticsearch.create(options, host)) as SendingSink;
    await sink.setup!(new AbortController().signal);
    return new Shipping(server, sink, index.replace("{date}", "*"));
  }

  /** Sends lines until the server has taken them or they are dead letters; returns how many are. */
  async ship(lines: readonly (string | Uint8Array)[], prepare?: (batch: EventBatch) => void): Promise<number> {
    const state = await mkdtemp(join(tmpdir(), "auditship-shipping-"));
    const host = quietHost("archive", this.counted);
    const letters = new DeadLetters(state, "archive", { maxSize: 1 << 28, whenFull: "park" }, host.meter);
    await letters.ready();
    const runner = new SendingRunner(
      this.sink,
      host,
      {
        request: { maxBytes: 4 << 20, maxEvents: 500, maxWait: 20 },
        retry: { initial: 10, max: 1000, slow: 1000 },
        concurrency: 1,
        memory: 32 << 20,
        compression: "gzip",
        stallAfter: 10_000,
        select: createSelect("all", () => () => true),
      },
      { deadLetters: letters, viewLetter: StoredEvent.of },
    );
    const ledger = new Ledger();
    runner.addLedger(ledger);
    const batch = this.#load(lines);
    prepare?.(batch);
    await runner.offer(batch, ledger, true);
    await runner.drain();
    runner.close();
    await letters.close();
    await rm(state, { recursive: true });
    await this.server.ask("POST", `/${this.pattern}/_refresh`);
    return letters.count;
  }

  #load(lines: readonly (string | Uint8Array)[]): EventBatch {
    const bytes = Buffer.concat(lines.flatMap((line) => [Buffer.from(line as string), Buffer.from("\n")]));
    const batch = new EventBatch({ capacity: bytes.length, documents: { cluster: "prod-1", node: "", labels: {} } });
    batch.load({ bytes, length: bytes.length, file: testFile, offset: this.#offset }, "apiserver");
    this.#offset += bytes.length;
    return batch;
  }

  /** What a query finds, as the server answers it. */
  search<More>(body: object, indices = this.pattern): Promise<{ hits: { hits: { _source: Source }[] } } & More> {
    return this.server.ask("POST", `/${indices}/_search?ignore_unavailable=true`, { size: 1000, ...body });
  }

  /** The documents that a query finds. */
  async find(query: object, indices?: string): Promise<Source[]> {
    const { hits } = await this.search({ query }, indices);
    return hits.hits.map((hit) => hit._source);
  }
}
