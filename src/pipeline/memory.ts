import { EventBatch } from "../event/index.js";
import { AuditshipError } from "../plugin/index.js";

/** Bytes of a batch's buffer, where the budget allows. */
const BATCH = 1024 * 1024;
const LEAST_BATCH = 64 * 1024;
const LEAST_REQUEST = 64 * 1024;

/** Most catch-up lanes at a time, over all sources. DESIGN §2. */
export const CATCH_UP_LANES = 2;

/** How `memory.buffers` is shared out. */
export interface MemoryPlan {
  /** Bytes for all of it, with what batches need beside their buffers, and as much again as those for what is left between. */
  all: number;
  /** Bytes of each batch buffer: one per live lane, and one per catch-up lane. */
  batch: number;
  /** Bytes for the requests of each sink. */
  sink: number;
  /**
   * Most bytes of one request of a sink, so that two (one, if it has no more at once) fit on their way, one waiting, one being
   * filled; two of those if it takes the newest first.
   */
  request(wanted: number, concurrency: number, newestFirst: boolean): number;
}

/** Half the budget is for batches, half for the requests of sinks. Throws if it is too small for this configuration. */
export function planMemory(budget: number, sources: number, sinks: number): MemoryPlan {
  const lanes = sources + CATCH_UP_LANES;
  const batch = Math.min(BATCH, Math.floor(budget / 2 / lanes));
  if (batch < LEAST_BATCH) {
    throw new AuditshipError(
      "AUDITSHIP_CONFIG_VALUE",
      `memory.buffers is too small for ${sources} sources and ${sinks} sinks; give it at least ${2 * lanes * LEAST_BATCH} bytes.`,
    );
  }
  const sink = Math.floor((budget - batch * lanes) / sinks);
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
