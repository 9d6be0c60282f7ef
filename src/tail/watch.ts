import fs from "node:fs";

/**
 * Milliseconds before a watch that has fired is armed again. So a busy writer costs one look per pause instead of one event per
 * write, and what it writes meanwhile is read at once. bench/tail.md shows the effect on an agent.
 */
const REST = 25;
/** The same for a surging log: the fixed cost of a batch and a request is then paid a quarter as often. */
const LONG_REST = 100;
/** Milliseconds between looks if the kernel does not report changes. A look is two system calls. */
const BLIND_POLL = 16;
/** Milliseconds until a refused watch is requested again. */
const REFUSED = 1000;
/** Changes in a row that looks find but an armed watch did not report, before the watch is given up. */
const MOST_MISSED = 3;

/** The result of a look, compared with the one before. `surging`: it has grown quickly. */
export type Look = "same" | "grown" | "surging" | "different";

export interface WatchOptions {
  /** Path to watch now; undefined if there is none. */
  target(): string | undefined;
  /** Checks the actual state. */
  look(): Look;
  /** Milliseconds between looks if the kernel reports no change. */
  poll: number;
}

/**
 * Looks at something whenever it changes: `fs.watch` only gives hints, and a look every `poll` milliseconds finds what it missed.
 * Looks every 16 ms where the watch is refused or stays silent (NFS, some overlays).
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

  /** True while the kernel is trusted to report changes. */
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
      // No such file yet, no watches left, or a file system without them: polling goes on.
      this.#refused = performance.now();
      return;
    }
    // Finds what happened before it was armed.
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
    // A rest ends with its own look.
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
