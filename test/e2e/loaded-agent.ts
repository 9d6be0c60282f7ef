import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { Ledger } from "../faults/ledger.js";
import { AuditWriter } from "../faults/writer.js";
import { Agent } from "./program.js";
import type { SearchServer } from "./search-server.js";

const AUDIT_ID = /"auditID":"([^"]*)"/g;
/** MiB. */
const MOST_MEMORY = 150;

/** An agent on a log that is written all the time, rotated and compressed, in front of a search server. */
export class LoadedAgent {
  readonly #directory = mkdtempSync(join(tmpdir(), "auditship-e2e-loaded-"));
  readonly #log: AuditWriter;
  readonly #agent: Agent;
  readonly #writing: Promise<void>;
  #mill = Promise.resolve();
  #stopped = false;

  /**
   * @param sink options of the sink, beside `index`
   * @param perSecond events
   */
  constructor(
    readonly index: string,
    sink: object,
    private readonly perSecond = 1000,
  ) {
    mkdirSync(join(this.#directory, "log"));
    this.#log = new AuditWriter(join(this.#directory, "log", "audit.log"), new Ledger(), { maxSize: 4_000_000 });
    this.#log.onRotated = (file) => {
      this.#mill = this.#mill.then(() => this.#log.compressBeside(file));
    };
    const config = {
      sources: { apiserver: { path: "log/audit.log" } },
      state: "state",
      stages: ["parse", "redact"],
      sinks: { archive: { type: "elasticsearch", index, timeout: "5s", retry: { max: "2s" }, ...sink } },
      observe: { listen: "none" },
    };
    writeFileSync(join(this.#directory, "auditship.yaml"), JSON.stringify(config));
    this.#agent = new Agent(join(this.#directory, "auditship.yaml"));
    this.#writing = this.#write();
  }

  /** What the agent said. */
  get said(): string {
    return this.#agent.log;
  }

  /** Resolves when documents came that were not there. */
  async stores(server: SearchServer): Promise<void> {
    const before = await server.countDocuments(this.index);
    await vi.waitFor(async () => expect(await server.countDocuments(this.index)).toBeGreaterThan(before), {
      timeout: 60_000,
      interval: 200,
    });
  }

  /** Writes no more, waits until as many documents are there as events were written, then holds each against each. */
  async expectAll(server: SearchServer): Promise<void> {
    this.#stopped = true;
    await this.#writing;
    const { events, pending } = this.#log.ledger;
    await vi.waitFor(async () => expect(await server.countDocuments(this.index)).toBe(events), {
      timeout: 600_000,
      interval: 500,
    });
    const counts = new Map<string, number>();
    for await (const page of server.pages(this.index)) {
      for (const [, auditID] of page.matchAll(AUDIT_ID)) counts.set(auditID, (counts.get(auditID) ?? 0) + 1);
    }
    const written = [...pending.keys()].map((identity) => identity.split("/")[0]);
    expect(written.filter((auditID) => counts.get(auditID) !== 1)).toEqual([]);
    expect(counts.size).toBe(written.length);
    expect(this.#agent.peak()).toBeLessThanOrEqual(MOST_MEMORY);
  }

  async end(): Promise<void> {
    this.#stopped = true;
    await this.#agent.stop("SIGKILL");
    await this.#mill;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #write(): Promise<void> {
    while (!this.#stopped) await this.#log.writeAtRate(this.perSecond / 10, this.perSecond);
  }
}
