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
 * Updates the metrics in the table `observe/metrics.ts`: names must be in that table, labels in its order. Call it per batch or
 * request, not per event. Third-party plugins may use `auditship_plugin_total{plugin,counter}`.
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
   * The field at a path of `audit.k8s.io/v1` (`user.username`, any case), undefined if there is none. Passed to plugins, like zod,
   * so that a plugin can be a single file that does not import this package.
   */
  field(path: string): Field | undefined;
}

/** What a stage gets in addition. Built-in stages use nothing else. */
export interface StageHost extends Host {
  /** The rules in force; ask at the start of each batch, and use them for all of it. */
  rules(): RuleSet;
  /** Compiles a condition in KubeSphere's dialect. Throws AuditshipError with line and column. */
  condition(text: string): Predicate;
  /** Opens JSON text that is not a body of an event, such as JSON in a string. */
  openTape: OpenTape;
  /**
   * Watches the configured API server (`kubernetes`), or that of the cluster in which the agent is a pod. Rejects with
   * AUDITSHIP_KUBERNETES if there is none.
   */
  watch<Item>(options: WatchOptions<Item>): Promise<Watched<Item>>;
  /** The stage's own directory (0700) in the state directory, created when asked for. */
  stateDirectory(): string;
}

/** What a sink gets in addition. */
export interface SinkHost extends Host {
  /** An HTTP client with endpoints, auth, TLS and bounds from the sink's options. Closed with the sink. */
  http(options: HttpOptions): HttpClient;
  condition(text: string): Predicate;
}

/** The zod namespace, handed to a plugin so that it needs no copy of its own. */
export type Zod = typeof z;
