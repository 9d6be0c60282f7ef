import { events, type Mix } from "../src/simulate/index.js";

/** Bytes of a chunk, about. */
export const CHUNK = 512 * 1024;

/** A log in memory. */
export interface Log {
  mix: Mix;
  /** Whole lines each. */
  chunks: Buffer[];
  /** Without their newlines. */
  lines: Buffer[];
  bytes: number;
}

/** Makes a log of `wanted` bytes, about: the same one each time. */
export function makeLog(mix: Mix, wanted: number): Log {
  const log: Log = { mix, chunks: [], lines: [], bytes: 0 };
  let chunk: Buffer[] = [];
  let size = 0;
  for (const text of events(1, { mix })) {
    const line = Buffer.from(`${text}\n`);
    log.lines.push(line.subarray(0, -1));
    log.bytes += line.length;
    chunk.push(line);
    size += line.length;
    if (size < CHUNK) continue;
    log.chunks.push(Buffer.concat(chunk));
    chunk = [];
    size = 0;
    if (log.bytes >= wanted) return log;
  }
  return log;
}
