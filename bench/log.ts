import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { events, type Mix } from "../src/simulate/index.js";

/** Bytes of a chunk, about. */
export const CHUNK = 512 * 1024;

/** A log in memory. */
export interface Log {
  /** What it is: a mix, or a file's name. */
  name: string;
  /** Whole lines each. */
  chunks: Buffer[];
  /** Without their newlines. */
  lines: Buffer[];
  bytes: number;
}

/** Makes a log of `wanted` bytes, about: the same one each time. */
export function makeLog(mix: Mix, wanted: number): Log {
  return gather(mix, wanted, events(1, { mix }));
}

/** Reads a log, gzipped or not. */
export function readLog(file: string): Log {
  const bytes = readFileSync(file);
  const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
  return gather(file, Number.POSITIVE_INFINITY, text.split("\n").filter(Boolean));
}

/** Puts lines together, up to `wanted` bytes, about. */
function gather(name: string, wanted: number, lines: Iterable<string>): Log {
  const log: Log = { name, chunks: [], lines: [], bytes: 0 };
  let chunk: Buffer[] = [];
  let size = 0;
  for (const text of lines) {
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
  if (chunk.length > 0) log.chunks.push(Buffer.concat(chunk));
  return log;
}
