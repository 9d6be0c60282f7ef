import { type Batch, defineStage, Field } from "../../src/plugin/index.js";

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
  batch.readTimes(Field.stageTimestamp, time);
  batch.readTimes(Field.requestReceivedTimestamp, latency);
  let without = 0;
  for (let row = 0; row < batch.count; row++) {
    const stage = time[row];
    const received = latency[row];
    // Microseconds are what the API server writes; beyond them the difference of two epoch times is rounding noise.
    latency[row] = Math.round((stage - received) * 1000) / 1000;
    if (!Number.isNaN(stage)) continue;
    time[row] = received;
    if (Number.isNaN(received)) without++;
  }
  if (without > 0) takeTimestamps(batch);
}

/** What v1beta1 has, for events without another time. */
function takeTimestamps(batch: Batch): void {
  const { time, count } = batch;
  const timestamps = new Float64Array(count);
  batch.readTimes(Field.timestamp, timestamps);
  for (let row = 0; row < count; row++) if (Number.isNaN(time[row])) time[row] = timestamps[row];
}
