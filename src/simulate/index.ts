import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { events } from "./events.js";
import { RotatingLog } from "./rotating-log.js";

export { type EventOptions, events, type Mix } from "./events.js";

export interface SimulateOptions {
  /** The active file; its directory is made (0700). */
  path: string;
  /** Events per second. Default 50. */
  rate?: number;
  /** Ends after so many seconds. */
  seconds?: number;
  /** Ends after so many events. */
  events?: number;
  /** Bytes of a file before it rotates. Default 10 MiB. */
  maxSize?: number;
  /** Backups kept; 0 keeps all. Default 5. */
  maxBackups?: number;
  /** Gzip backups. Default false. */
  compress?: boolean;
  /** Repeats a run's requests. Default: {@link randomSeed}. */
  seed?: number;
  /** Ends the run. */
  signal?: AbortSignal;
}

export interface SimulateResult {
  events: number;
  bytes: number;
  /** Files that were written to. */
  files: number;
}

/** Milliseconds between two turns, and how long a turn may write before others have theirs. */
const TURN = 20;

/** A seed for a run that is to be told to the user. */
export const randomSeed = (): number => randomInt(2 ** 31);

/** Writes a realistic, rotating audit log at a steady rate until one of the ends that the options name. */
export async function simulate(options: SimulateOptions): Promise<SimulateResult> {
  const { path, rate = 50, seed = randomSeed(), signal } = options;
  const most = options.events ?? Number.POSITIVE_INFINITY;
  const end = Date.now() + (options.seconds ?? Number.POSITIVE_INFINITY) * 1000;
  const { maxSize = 10 * 1024 * 1024, maxBackups = 5, compress = false } = options;
  const log = new RotatingLog({ path, maxSize, maxBackups, compress });
  const lines = events(seed, { clock: Date.now });
  const result = { events: 0, bytes: 0, files: 0 };

  let due = 1;
  let last = Date.now();
  try {
    while (result.events < most && last < end && !signal?.aborted) {
      const turnEnd = Date.now() + TURN;
      while (due >= 1 && result.events < most && Date.now() < turnEnd) {
        due--;
        const line = Buffer.from(`${lines.next().value}\n`);
        if (!log.write(line)) continue;
        result.events++;
        result.bytes += line.length;
      }
      await sleep(due >= 1 ? 0 : TURN, undefined, { signal }).catch(() => {});
      const now = Date.now();
      // At most one second's worth: a machine that slept does not make up for the night.
      due = Math.min(due + ((now - last) * rate) / 1000, Math.max(rate, 1));
      last = now;
    }
  } finally {
    await log.close();
  }
  return { ...result, files: log.files };
}
