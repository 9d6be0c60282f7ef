import { parseTime, QUOTE } from "../plugin/index.js";

const MARKS = [Buffer.from('"stageTimestamp":"'), Buffer.from('"requestReceivedTimestamp":"')];
/** Longest text taken for a time. */
const LONGEST = 40;

/**
 * Time of the event on a line in epoch milliseconds, found by searching its bytes; undefined if the line has none. The last
 * occurrence counts, because kube-apiserver writes the times after the bodies, whose content is up to the client.
 */
export function eventTime(line: Uint8Array): number | undefined {
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  for (const mark of MARKS) {
    const found = bytes.lastIndexOf(mark);
    if (found < 0) continue;
    const start = found + mark.length;
    const end = bytes.subarray(0, start + LONGEST).indexOf(QUOTE, start);
    const time = end < 0 ? Number.NaN : parseTime(bytes, start, end);
    if (!Number.isNaN(time)) return time;
  }
  return undefined;
}
