import type { Host, Loss } from "../plugin/index.js";

/** What can be wrong with a log on disk; the `kind` in `auditship_source_errors_total{kind}`. */
export type Trouble =
  | "missing"
  | "ambiguous"
  | "list"
  | "open"
  | "read"
  | "damaged"
  | "duplicate"
  | "replaced"
  | "pin"
  | "unlinked"
  | "unrotated"
  | "unseen";

/** Reports of the log: troubles, which are counted and logged, and losses. */
export class Reports {
  readonly #host: Host;
  readonly #lasting = new Set<string>();
  #listener: ((loss: Loss) => void) | undefined;
  /** Losses found before there was a listener. */
  #unheard: Loss[] = [];

  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * Reports a trouble that lasts: every attempt is counted, only the first one logged. `what` is a sentence that says what happens
   * next.
   */
  complain(kind: Trouble, path: string, what: string, error?: unknown): void {
    const key = `${kind} ${path}`;
    if (this.#lasting.has(key)) this.#count(kind);
    else this.tell(kind, path, what, error);
    this.#lasting.add(key);
  }

  /** Reports that a lasting trouble is over, if there was one. */
  resolve(path: string, ...kinds: Trouble[]): void {
    if (this.#lasting.size === 0) return;
    for (const kind of kinds) {
      if (!this.#lasting.delete(`${kind} ${path}`)) continue;
      this.#host.log.info({ source: this.#host.name, path, kind }, "The audit log can be read again.");
    }
  }

  /** Reports a single event. */
  tell(kind: Trouble, path: string, what: string, error?: unknown): void {
    this.#count(kind);
    const reason = (error as Error | undefined)?.message;
    this.#host.log.warn({ source: this.#host.name, path, kind, ...(reason && { error: reason }) }, what);
  }

  get onLoss(): (loss: Loss) => void {
    return this.#listener ?? (() => {});
  }

  set onLoss(listener: (loss: Loss) => void) {
    this.#listener = listener;
    for (const loss of this.#unheard.splice(0)) listener(loss);
  }

  lost(loss: Loss): void {
    if (this.#listener) this.#listener(loss);
    else this.#unheard.push(loss);
  }

  #count(kind: Trouble): void {
    this.#host.meter.add("auditship_source_errors_total", 1, this.#host.name, kind);
  }
}
