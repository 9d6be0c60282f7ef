import fs from "node:fs";

/** A watch that has fired is armed again after so many milliseconds: a busy writer costs a look each, not an event each. */
const REST = 10;
/** Milliseconds between looks where the kernel does not tell of changes. */
const BLIND_POLL = 40;
/** Changes in a row that a look finds and an armed watch did not tell of, before the watch is given up. */
const MOST_MISSED = 3;

export interface WatchOptions {
  /** Path to watch now; undefined where there is none. */
  target(): string | undefined;
  /** Looks at the truth; true if something has changed since the last look. */
  look(): boolean;
  /** Milliseconds between looks without a hint. */
  poll: number;
}

/**
 * Looks at something when it has changed: `fs.watch` is the hint, a look at it every `poll` milliseconds the truth. Looks
 * every 40 ms where the watch is refused or keeps silent (NFS, some overlays). DESIGN §4, "Change detection".
 */
export class Watch {
  readonly #options: WatchOptions;
  #watcher: fs.FSWatcher | undefined;
  #rest: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;
  #missed = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#arm();
    this.#schedule();
  }

  /** True while the kernel is trusted to tell of changes. */
  get hinted(): boolean {
    return this.#missed < MOST_MISSED && (this.#watcher !== undefined || this.#rest !== undefined);
  }

  close(): void {
    clearTimeout(this.#rest);
    clearTimeout(this.#poll);
    this.#watcher?.close();
    this.#missed = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    const target = this.#missed < MOST_MISSED ? this.#options.target() : undefined;
    if (target === undefined) return;
    try {
      const watcher = fs.watch(target, () => {
        this.#missed = 0;
        this.#wake();
      });
      watcher.on("error", () => this.#disarm());
      this.#watcher = watcher;
    } catch {
      // Refused (no such file yet, no watches left, a file system without them): polling goes on.
      return;
    }
    // What happened before it was armed.
    if (this.#options.look()) this.#startRest();
  }

  #disarm(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #wake(): void {
    this.#options.look();
    this.#startRest();
  }

  #startRest(): void {
    this.#disarm();
    this.#rest ??= setTimeout(() => this.#endRest(), REST);
  }

  #endRest(): void {
    this.#rest = undefined;
    if (this.#options.look()) this.#startRest();
    else this.#arm();
  }

  #schedule(): void {
    const { poll } = this.#options;
    this.#poll = setTimeout(() => this.#pollOnce(), this.hinted ? poll : Math.min(poll, BLIND_POLL));
  }

  #pollOnce(): void {
    const armed = this.#watcher !== undefined;
    const changed = this.#options.look();
    if (changed && armed) this.#missed++;
    if (this.#rest === undefined && (changed || !armed)) {
      this.#disarm();
      this.#arm();
    }
    this.#schedule();
  }
}
