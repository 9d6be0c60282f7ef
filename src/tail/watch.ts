import fs from "node:fs";

/**
 * A watch that has fired is armed again after so many milliseconds: a busy writer costs a look each, not an event each, and what
 * it writes meanwhile is read at once. What comes of that for an agent: bench/tail.md.
 */
const REST = 25;
/** The same of what surges: what a batch and a request cost beside their bytes is then paid a quarter as often. */
const LONG_REST = 100;
/** Milliseconds between looks where the kernel does not tell of changes: a look is two system calls. */
const BLIND_POLL = 16;
/** Milliseconds until a watch that was refused is asked for again. */
const REFUSED = 1000;
/** Changes in a row that a look finds and an armed watch did not tell of, before the watch is given up. */
const MOST_MISSED = 3;

/** What a look shows, beside the one before. `surging`: it has grown, and quickly. */
export type Look = "same" | "grown" | "surging" | "different";

export interface WatchOptions {
  /** Path to watch now; undefined where there is none. */
  target(): string | undefined;
  /** Looks at the truth. */
  look(): Look;
  /** Milliseconds between looks without a hint. */
  poll: number;
}

/**
 * Looks at something when it has changed: `fs.watch` is the hint, a look at it every `poll` milliseconds the truth. Looks
 * every 16 ms where the watch is refused or keeps silent (NFS, some overlays).
 */
export class Watch {
  readonly #options: WatchOptions;
  #watcher: fs.FSWatcher | undefined;
  #rest: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;
  #missed = 0;
  /** When a watch was refused, by `performance.now()`. */
  #refused = Number.NEGATIVE_INFINITY;

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
    if (this.#missed >= MOST_MISSED || performance.now() - this.#refused < REFUSED) return;
    const target = this.#options.target();
    if (target === undefined) return;
    try {
      const watcher = fs.watch(target, () => {
        this.#missed = 0;
        this.#wake();
      });
      watcher.on("error", () => this.#disarm());
      this.#watcher = watcher;
    } catch {
      // No such file yet, no watches left, a file system without them: polling goes on.
      this.#refused = performance.now();
      return;
    }
    // What happened before it was armed.
    const seen = this.#options.look();
    if (seen !== "same") this.#startRest(seen);
  }

  #disarm(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #wake(): void {
    this.#startRest(this.#options.look());
  }

  #startRest(seen: Look): void {
    this.#disarm();
    this.#rest ??= setTimeout(() => this.#endRest(), seen === "surging" ? LONG_REST : REST);
  }

  #endRest(): void {
    this.#rest = undefined;
    const seen = this.#options.look();
    if (seen === "same") this.#arm();
    else this.#startRest(seen);
  }

  #schedule(seen: Look = "same"): void {
    const { poll } = this.#options;
    const blind = seen === "surging" ? LONG_REST : BLIND_POLL;
    this.#poll = setTimeout(() => this.#pollOnce(), this.hinted ? poll : Math.min(poll, blind));
  }

  #pollOnce(): void {
    // A rest ends with a look of its own.
    this.#schedule(this.#rest === undefined ? this.#lookUnhinted() : undefined);
  }

  #lookUnhinted(): Look {
    const armed = this.#watcher !== undefined;
    const seen = this.#options.look();
    if (seen !== "same" && armed) this.#missed++;
    if (seen !== "same" || !armed) {
      this.#disarm();
      this.#arm();
    }
    return seen;
  }
}
