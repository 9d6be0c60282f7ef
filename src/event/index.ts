/** Bytes → batch: scanner, field table, lazily opened bodies, document writer. Knows nothing of files or sinks. */
export { Arena } from "./arena.js";
export { type BatchOptions, EventBatch } from "./batch.js";
export type { DocumentOrigin } from "./document.js";
export { EventExtractor } from "./extract.js";
export { MAX_ITEMS } from "./lines.js";
export { viewDocument } from "./stored.js";
export { MAX_NODES, openTape } from "./tape.js";
