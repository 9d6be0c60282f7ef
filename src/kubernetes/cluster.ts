import type { Logger, Meter, Watched, WatchOptions } from "../plugin/index.js";
import { KubernetesClient } from "./client.js";
import { Informer } from "./informer.js";

export interface ClusterOptions {
  /** Path; undefined: wherever the official client finds one. */
  kubeconfig: string | undefined;
  log: Logger;
  meter: Meter;
  /** Aborted when the agent stops. */
  signal: AbortSignal;
}

/** The cluster that an agent works for. Nothing of it is loaded or asked before it is needed. */
export class Cluster {
  readonly #options: ClusterOptions;
  #client: Promise<KubernetesClient> | undefined;

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  /** Rejects with AUDITSHIP_KUBERNETES if no kubeconfig names a cluster. */
  client(): Promise<KubernetesClient> {
    this.#client ??= KubernetesClient.open(this.#options.kubeconfig);
    return this.#client;
  }

  async watch<Item>(options: WatchOptions<Item>): Promise<Watched<Item>> {
    const { log, meter, signal } = this.#options;
    return new Informer(await this.client(), { ...options, log, meter, signal });
  }
}
