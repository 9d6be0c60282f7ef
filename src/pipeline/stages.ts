import type { LoadedConfig, LoadedStage } from "../config/load.js";
import { faultOf } from "../observe/fault.js";
import type { Batch, Logger, Meter, Stage, StageHost } from "../plugin/index.js";
import { placed } from "./placed.js";

interface NamedStage {
  readonly name: string;
  readonly stage: Stage;
}

/** What all stages get from the agent. */
export interface StageDeps {
  host(name: string): StageHost;
  log: Logger;
  meter: Meter;
  /** Where their configuration stands. */
  place: LoadedConfig["place"];
}

/** Makes all of them, or throws and leaves none. */
export async function makeStages(
  stages: readonly LoadedStage[],
  { host, log, meter, place }: StageDeps,
): Promise<StageSet> {
  const made: NamedStage[] = [];
  try {
    for (const [index, { name, plugin, options }] of stages.entries()) {
      const stage = await placed({ place }, ["stages", String(index)], () => plugin.create(options, host(name)));
      made.push({ name: plugin.name, stage });
    }
  } catch (error) {
    await close(made);
    throw error;
  }
  if (!made.some(({ name }) => name === "redact")) {
    log.warn({}, "The configuration has no redact stage: secrets in audit events leave this node in clear text.");
  }
  return new StageSet(made, log, meter);
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
    if (this.#running === 0) await close(this.#stages);
  }
}

async function close(stages: readonly NamedStage[]): Promise<void> {
  for (const { stage } of stages) await stage.close?.();
}
