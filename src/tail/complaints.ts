import type { Host } from "../plugin/index.js";

/** What can be wrong with a log on disk; stands in `auditship_source_errors_total{kind}`. */
export type Trouble = "missing" | "ambiguous" | "list" | "open" | "read" | "damaged" | "duplicate" | "replaced";

/** Says each trouble once, says when it is over, and counts every attempt. */
export class Complaints {
  readonly #host: Host;
  readonly #open = new Set<string>();

  constructor(host: Host) {
    this.#host = host;
  }

  /** @param what a sentence that says what happens next, for the log. */
  complain(kind: Trouble, path: string, what: string, error?: unknown): void {
    const { log, meter, name } = this.#host;
    meter.add("auditship_source_errors_total", 1, name, kind);
    const key = `${kind} ${path}`;
    if (this.#open.has(key)) return;
    this.#open.add(key);
    log.warn({ source: name, path, kind, error: (error as Error | undefined)?.message }, what);
  }

  /** The trouble is over, if there was one. */
  resolve(path: string, ...kinds: Trouble[]): void {
    if (this.#open.size === 0) return;
    for (const kind of kinds) {
      if (!this.#open.delete(`${kind} ${path}`)) continue;
      this.#host.log.info({ source: this.#host.name, path, kind }, "It can be read again.");
    }
  }
}
