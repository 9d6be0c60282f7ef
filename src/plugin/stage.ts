import type { z } from "zod";
import type { Batch } from "./batch.js";
import type { StageHost, Zod } from "./host.js";

/**
 * Annotates batches in place. Called once per batch, in the order of the configuration; may await, but never per event.
 * A throw is counted, logged and leaves the batch as it is, except for `redact`, where it stops the lane (nothing
 * unredacted may leave): set `required` for that.
 */
export interface Stage {
  run(batch: Batch): void | Promise<void>;
  /** A failing required stage holds the lane back and is retried; other stages are skipped for that batch. */
  readonly required?: boolean;
  close?(): void | Promise<void>;
}

export interface StagePlugin<Options extends z.ZodObject = z.ZodObject> {
  readonly kind: "stage";
  readonly name: string;
  /** Names of the members it adds by `batch.annotate`. */
  readonly annotates?: readonly string[];
  /** The schema of its options, strict, with defaults and descriptions. */
  options(zod: Zod): Options;
  create(options: z.infer<Options>, host: StageHost): Stage | Promise<Stage>;
}

/** Gives a stage plugin its types. */
export const defineStage = <Options extends z.ZodObject>(plugin: StagePlugin<Options>): StagePlugin<Options> => plugin;
