import type { LoadedConfig } from "../config/load.js";
import { EventBatch } from "../event/index.js";
import { AuditshipError } from "../plugin/index.js";

/** Bytes of a batch's buffer, where the budget allows. */
const BATCH = 1024 * 1024;
const LEAST_BATCH = 64 * 1024;
const LEAST_REQUEST = 64 * 1024;

/** Most catch-up lanes at a time, over all sources. */
export const CATCH_UP_LANES = 2;

/** How `memory.buffers` is shared out. */
export interface MemoryPlan {
  /** Bytes for everything: the budget, what batches need beside their buffers, and as much again as the batches for fragmentation. */
  all: number;
  /** Bytes of each batch buffer: one per live lane, and one per catch-up lane. */
  batch: number;
  /** Bytes for the requests of each sink. */
  sink: number;
  /**
   * Most bytes of one request of a sink, so that these fit: two in flight (one, if its concurrency is 1), one waiting and one
   * being filled (two, if it takes the newest first).
   */
  request(wanted: number, concurrency: number, newestFirst: boolean): number;
}

/**
 * Shares out the memory of a configuration that includes the sinks of receivers: half of it for batches, half for the requests of
 * sinks. Throws if it is too small.
 */
export function planMemory({ config, sources, sinks }: Pick<LoadedConfig, "config" | "sources" | "sinks">): MemoryPlan {
  const budget = config.memory.buffers;
  const lanes = sources.length + CATCH_UP_LANES;
  const batch = Math.min(BATCH, Math.floor(budget / 2 / lanes));
  if (batch < LEAST_BATCH) {
    throw new AuditshipError(
      "AUDITSHIP_CONFIG_VALUE",
      `it is too small for ${sources.length} sources and ${sinks.length} sinks; give it at least ${2 * lanes * LEAST_BATCH} bytes.`,
    );
  }
  const sink = Math.floor((budget - batch * lanes) / sinks.length);
  return {
    all: budget + lanes * EventBatch.bytes(batch),
    batch,
    sink,
    request: (wanted, concurrency, newestFirst) => {
      const requests = Math.min(concurrency, 2) + (newestFirst ? 3 : 2);
      return Math.max(LEAST_REQUEST, Math.min(wanted, Math.floor(sink / requests)));
    },
  };
}
