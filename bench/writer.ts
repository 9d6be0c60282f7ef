/** A process that writes an audit log as kube-apiserver does, with lumberjack's system calls, one write(2) per line. */
import { setTimeout as sleep } from "node:timers/promises";
import { events } from "../src/simulate/index.js";
import type { Lumberjack } from "../test/support/lumberjack.js";

/** Calls `write` so many times a second, for so long; it is given the number of the call. */
export async function atRate(rate: number, seconds: number, write: (n: number) => void): Promise<void> {
  const started = performance.now();
  for (let written = 0; written < seconds * rate; await sleep(1)) {
    const due = Math.min(seconds * rate, ((performance.now() - started) / 1000) * rate);
    for (; written < due; written++) write(written);
  }
}

/** Writes metadata events of exactly so many bytes, again and again the same ones, and deletes old backups. */
export async function writeSteadily(
  log: Lumberjack,
  { rate, seconds, bytes }: { rate: number; seconds: number; bytes: number },
): Promise<void> {
  const lines: Buffer[] = [];
  for (const line of events(1, { mix: "metadata" })) {
    if (line.endsWith('"}}') && line.length < bytes - 40 && lines.push(padded(line, bytes)) === 5000) break;
  }
  await atRate(rate, seconds, (n) => {
    const line = lines[n % lines.length];
    if (!log.fits(line.length)) {
      log.rotate();
      log.mill();
    }
    log.write(line);
  });
  log.close();
}

/** A line with one annotation more, and its newline. */
function padded(line: string, bytes: number): Buffer {
  const head = `${line.slice(0, -2)},"example.com/padding":"`;
  return Buffer.from(`${head}${"x".repeat(bytes - Buffer.byteLength(head) - 4)}"}}\n`);
}
