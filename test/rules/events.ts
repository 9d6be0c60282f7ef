import { EventBatch } from "../../src/event/index.js";
import type { EventView } from "../../src/plugin/index.js";

const FILE = { fingerprint: "00".repeat(32), id: "AAAAAAAAAAAAAAAA", ordinal: 1, time: 0 };

/** A batch of the given lines; values become JSON, strings are lines as they stand. */
export function batchOf(...lines: unknown[]): EventBatch {
  const texts = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  const bytes = Buffer.from(`${texts.join("\n")}\n`);
  const batch = new EventBatch({ capacity: bytes.length + 64, documents: { cluster: "", node: "", labels: {} } });
  batch.load({ bytes, length: bytes.length, file: FILE, offset: 0 }, "test");
  return batch;
}

/** The view of one event. */
export function viewOf(line: unknown): EventView {
  return batchOf(line).at(0);
}
