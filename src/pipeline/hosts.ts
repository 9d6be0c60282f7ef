import { join } from "node:path";
import type { LoadedConfig } from "../config/load.js";
import { openTape } from "../event/index.js";
import type { Cluster } from "../kubernetes/cluster.js";
import {
  fieldOfPath,
  type Host,
  type Logger,
  type Meter,
  makeDirectorySync,
  type RuleSet,
  type StageHost,
} from "../plugin/index.js";
import { compileCondition } from "../rules/index.js";
import { VERSION } from "../version.js";

/** What the plugins of an agent get is made of these. */
export interface HostsDeps {
  /** Nothing of it that a host has changes before a restart. */
  loaded: Pick<LoadedConfig, "config" | "resolve">;
  log: Logger;
  meter: Meter;
  cluster: Cluster;
  /** The rules in force. */
  rules(): RuleSet;
  /** Aborted when the agent stops. */
  signal: AbortSignal;
}

/** The hosts of an agent's plugins. */
export class Hosts {
  readonly #deps: HostsDeps;

  constructor(deps: HostsDeps) {
    this.#deps = deps;
  }

  /** @param signal aborted when the plugin is closed */
  of(name: string, signal: AbortSignal = this.#deps.signal): Host {
    const { loaded, log, meter } = this.#deps;
    const { cluster, node, labels } = loaded.config;
    return {
      name,
      log,
      meter,
      cluster,
      node,
      labels,
      version: VERSION,
      resolve: loaded.resolve,
      signal,
      now: Date.now,
      field: fieldOfPath,
    };
  }

  ofStage(name: string): StageHost {
    return {
      ...this.of(name),
      rules: () => this.#deps.rules(),
      condition: (text) => compileCondition(text),
      openTape,
      watch: (options) => this.#deps.cluster.watch(options),
      stateDirectory: () => this.directory("stages", name),
    };
  }

  /** A directory that a plugin has to itself, created when asked for. */
  directory(kind: "stages" | "spool", name: string): string {
    const directory = join(this.#deps.loaded.config.state, kind, name.replace(/[^\w.-]/g, "_"));
    makeDirectorySync(directory);
    return directory;
  }
}
