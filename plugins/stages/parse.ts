import { type Batch, defineStage, Field, Flag, parseTime, ROW_HEADER, ROW_WORDS } from "../../src/plugin/index.js";

/**
 * Fills `batch.time` and `batch.latency` of every event. The time is stageTimestamp, else requestReceivedTimestamp, else
 * v1beta1's timestamp; one that is no RFC 3339 time counts as absent.
 */
export default defineStage({
  kind: "stage",
  name: "parse",
  options: (zod) => zod.strictObject({}),
  create: () => ({ run: parse }),
});

function parse(batch: Batch): void {
  const { time, latency } = batch;
  for (let row = 0; row < batch.count; row++) {
    if (batch.flags(row) & (Flag.invalid | Flag.dropped)) continue;
    const stage = timeOf(batch, row, Field.stageTimestamp);
    const received = timeOf(batch, row, Field.requestReceivedTimestamp);
    time[row] = !Number.isNaN(stage) ? stage : !Number.isNaN(received) ? received : timeOf(batch, row, Field.timestamp);
    // Microseconds are what the API server writes; beyond them the difference of two epoch times is rounding noise.
    latency[row] = Math.round((stage - received) * 1000) / 1000;
  }
}

/** Epoch milliseconds of a field, NaN if it is absent or no time. */
function timeOf(batch: Batch, row: number, field: Field): number {
  const at = row * ROW_WORDS + ROW_HEADER + 2 * field;
  const start = batch.table[at];
  return start === 0 ? Number.NaN : parseTime(batch.bytes, start + 1, batch.table[at + 1] - 1);
}
