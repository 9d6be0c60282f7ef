import type { z } from "zod";
import type { Field } from "./field.js";
import type { HttpClient, HttpOptions } from "./http.js";
import type { Watched, WatchOptions } from "./kubernetes.js";
import type { Predicate, RuleSet } from "./match.js";
import type { OpenTape } from "./tape.js";

/** A logger with pino's shape: fields first, then a sentence. Never pass event bytes or secrets. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * Counts into the metrics table (`observe/metrics.ts`). Names must stand in that table, labels in its order; call it per
 * batch or request, not per event. A foreign plugin may use `auditship_plugin_total{plugin,counter}`.
 */
export interface Meter {
  /** Adds to a counter. */
  add(name: string, value: number, ...labels: string[]): void;
  /** Sets a gauge. */
  set(name: string, value: number, ...labels: string[]): void;
  /** Records one observation of a histogram. */
  observe(name: string, value: number, ...labels: string[]): void;
}

/** What the host gives to every plugin. */
export interface Host {
  /** The plugin's name in the configuration: a sink's name, a stage's name. */
  readonly name: string;
  readonly log: Logger;
  readonly meter: Meter;
  readonly cluster: string;
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly version: string;
  /** Resolves a path of the configuration (relative to its file). */
  resolve(path: string): string;
  /** Aborted when the agent stops or the plugin is closed. */
  readonly signal: AbortSignal;
  /** Epoch milliseconds. Tests replace it. */
  now(): number;
  /**
   * The field at a path of `audit.k8s.io/v1` (`user.username`, any case), undefined if there is none: handed to a plugin, as
   * zod is, so that a file anywhere can be one without a copy of this package beside it.
   */
  field(path: string): Field | undefined;
}

/** What a stage gets beside. Everything a built-in stage uses is here; a foreign one gets the same. */
export interface StageHost extends Host {
  /** The rules in force; ask at the start of each batch and keep it to the batch's end. */
  rules(): RuleSet;
  /** Compiles a condition in KubeSphere's dialect. Throws AuditshipError with line and column. */
  condition(text: string): Predicate;
  /** Opens JSON text that is not a body of an event (a string that holds JSON, say). */
  openTape: OpenTape;
  /**
   * Watches the API server of the configuration (`kubernetes`), or of the cluster that this is a pod of. Rejects with
   * AUDITSHIP_KUBERNETES if there is none.
   */
  watch<Item>(options: WatchOptions<Item>): Promise<Watched<Item>>;
  /** A directory of the stage's own under the state directory (0700), made when asked for. */
  stateDirectory(): string;
}

/** What a sink gets beside. */
export interface SinkHost extends Host {
  /** An HTTP client with endpoints, auth, TLS and bounds from the sink's options. Closed with the sink. */
  http(options: HttpOptions): HttpClient;
  condition(text: string): Predicate;
}

/** The zod namespace, handed to a plugin so that it needs no copy of its own. */
export type Zod = typeof z;
