import { EventBatch } from "../../src/event/index.js";
import type { FileRef } from "../../src/plugin/index.js";

export const testFile: FileRef = { fingerprint: "ab".repeat(32), id: "q6urq6urq6urq6ur", ordinal: 1, time: 0 };

/** An audit event's line with what matters to delivery. */
export const auditLine = (number: number, more: object = {}): string =>
  JSON.stringify({
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: "Metadata",
    auditID: `00000000-0000-0000-0000-${String(number).padStart(12, "0")}`,
    stage: "ResponseComplete",
    requestURI: "/api/v1/namespaces/shop/pods",
    verb: "list",
    user: { username: "alice" },
    stageTimestamp: "2026-11-21T00:00:00.000000Z",
    ...more,
  });

/** Loads lines into a batch as if they stood at `offset` of a file. */
export function batchOf(lines: readonly string[], offset = 0, file = testFile): EventBatch {
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
  const batch = new EventBatch({ capacity: 64, documents: { cluster: "", node: "", labels: {} } });
  batch.load({ bytes, length: bytes.length, file, offset }, "test");
  return batch;
}
