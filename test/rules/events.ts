import parseStage from "../../plugins/stages/parse.js";
import { EventBatch } from "../../src/event/index.js";
import { type EventView, NUMBERED, type StageHost } from "../../src/plugin/index.js";

const FILE = { fingerprint: "00".repeat(32), id: "AAAAAAAAAAAAAAAA", ordinal: 1, time: 0 };

/** A batch of the given lines; values become JSON, strings are lines as they stand. */
export function batchOf(...lines: unknown[]): EventBatch {
  const bytes = bytesOf(lines);
  const batch = new EventBatch({ capacity: bytes.length + 64, documents: { cluster: "", node: "", labels: {} } });
  return load(batch, bytes);
}

const times = await parseStage.create({}, {} as StageHost);

/**
 * Lines; the same in another order in the same batch, which keeps the numbers of values, with their times as `parse` gives them; and
 * in one that numbers values anew.
 */
export function* rounds(lines: readonly unknown[]): Generator<EventBatch> {
  const batch = batchOf(...lines);
  yield batch;
  times.run(load(batch, bytesOf([...lines].reverse())));
  yield batch;
  yield batchOf(...lines);
}

/** As a reader does: usual lines in the batch's own buffer are scanned fast, and their values numbered. */
function load(batch: EventBatch, bytes: Buffer): EventBatch {
  bytes.copy(batch.buffer);
  batch.load({ bytes: batch.buffer, length: bytes.length, file: FILE, offset: 0 }, "test");
  return batch;
}

function bytesOf(lines: readonly unknown[]): Buffer {
  const texts = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  return Buffer.from(`${texts.join("\n")}\n`);
}

/** True if some value in the batch has a number. */
export function isNumbered({ numbers, count }: EventBatch): boolean {
  return numbers.subarray(0, count * NUMBERED.length).some((number) => number !== 0);
}

/** The view of one event. */
export function viewOf(line: unknown): EventView {
  return batchOf(line).at(0);
}
