import { parseTime, QUOTE } from "../plugin/index.js";

const MARKS = [Buffer.from('"stageTimestamp":"'), Buffer.from('"requestReceivedTimestamp":"')];
/** Longest text taken for a time. */
const LONGEST = 40;

/**
 * Time of the event on a line, epoch milliseconds, by a search for its bytes; undefined if the line has none. The last
 * mention counts: kube-apiserver writes the times behind the bodies, which are the client's.
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
