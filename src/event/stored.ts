import type { EventView, FileRef } from "../plugin/index.js";
import { EventBatch } from "./batch.js";

const NOWHERE: FileRef = { fingerprint: "", id: "", ordinal: 0, time: 0 };

let batch: EventBatch | undefined;

/**
 * Views a single document (an item of a request, a dead letter's line) as an event; undefined if it is not one. The view is valid
 * until the next call.
 */
export function viewDocument(document: Uint8Array): EventView | undefined {
  batch ??= new EventBatch({ capacity: 0, maxRows: 1, documents: { cluster: "", node: "", labels: {} } });
  batch.load({ bytes: document, length: document.length, file: NOWHERE, offset: 0 }, "");
  return batch.count === 1 && batch.invalid(0) === undefined ? batch.at(0) : undefined;
}
