import type { Field } from "./field.js";

/**
 * What makes events alike: the same bytes as values of these fields if they are among {@link NUMBERED}, values that begin alike
 * if they are not (both objects, both strings, …), or none; and latencies (`Batch.latency`) that compare alike with each of these,
 * or none. See {@link Batch.kinds}.
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
