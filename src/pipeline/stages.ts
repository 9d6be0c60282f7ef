import { faultOf } from "../observe/fault.js";
import type { Batch, Logger, Meter, Stage } from "../plugin/index.js";

export interface NamedStage {
  readonly name: string;
  readonly stage: Stage;
}

/** The stages in their order; one set works on a batch from its first stage to its last, whatever a reload does meanwhile. */
export class StageSet {
  readonly #stages: readonly NamedStage[];
  readonly #log: Logger;
  readonly #meter: Meter;
  #running = 0;
  #retired = false;

  constructor(stages: readonly NamedStage[], log: Logger, meter: Meter) {
    this.#stages = stages;
    this.#log = log;
    this.#meter = meter;
  }

  /** Runs every stage. A stage that fails is skipped for this batch; a required one throws: nothing unredacted may leave. */
  async run(batch: Batch): Promise<void> {
    this.#running++;
    try {
      for (const { name, stage } of this.#stages) {
        try {
          const running = stage.run(batch);
          if (running) await running;
        } catch (error) {
          this.#meter.add("auditship_stage_errors_total", 1, name);
          if (stage.required) throw error;
          // Before `redact` it sees the event as it was written: its message may quote it.
          this.#log.error({ stage: name, error: faultOf(error) }, "A stage failed; its work is missing in this batch.");
        }
      }
    } finally {
      this.#running--;
      if (this.#retired) await this.#close();
    }
  }

  /** Closes the stages as soon as no batch is in them. */
  async retire(): Promise<void> {
    this.#retired = true;
    await this.#close();
  }

  async #close(): Promise<void> {
    if (this.#running > 0) return;
    for (const { stage } of this.#stages) await stage.close?.();
  }
}
