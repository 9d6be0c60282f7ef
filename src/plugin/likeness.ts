import type { Field } from "./field.js";

/**
 * What makes events alike. Each of the fields has the same bytes if it is among {@link NUMBERED}, else values that begin alike (both
 * objects, both strings, …), or is absent in both; and the latencies (`Batch.latency`) compare alike with each of these, or are
 * unknown in both. See {@link Batch.kinds}.
 */
export class Likeness {
  /** @param latencies milliseconds; {@link MAX_LATENCIES} at most */
  constructor(
    readonly fields: readonly Field[],
    readonly latencies: readonly number[] = [],
  ) {}
}

export const MAX_LATENCIES = 4;

/** The kinds of a batch's rows. Valid as long as the batch. */
export interface Kinds {
  /** By row: equal for rows that are alike, below {@link MAX_KINDS}; 0 where it is not known. */
  readonly numbers: Uint16Array;
  /** Kinds of batches that have this in common are the same. */
  readonly numbering: object;
}

/** Numbers of kinds are below this. */
export const MAX_KINDS = 8192;
