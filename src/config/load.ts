import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { AuditshipError, type Place } from "../plugin/error.js";
import type { Registry } from "../plugin/registry.js";
import type { SinkPlugin } from "../plugin/sink.js";
import type { SourcePlugin } from "../plugin/source.js";
import type { StagePlugin } from "../plugin/stage.js";
import { type Environment, type Path, PlacedDocument } from "./document.js";
import { ConfigError, describeIssue, dotted, suggestion } from "./issues.js";
import { builtins } from "./plugins.js";
import {
  type Config,
  configSchema,
  nameSchema,
  type SinkCommon,
  type SourceCommon,
  sinkSchema,
  sourceSchema,
} from "./schema.js";

/** A source as configured: what the host knows of it, and its plugin's options. */
export interface LoadedSource {
  name: string;
  plugin: SourcePlugin;
  options: Record<string, unknown>;
  common: SourceCommon;
}

export interface LoadedStage {
  /** The plugin's name, package or path as the configuration has it. */
  name: string;
  plugin: StagePlugin;
  options: Record<string, unknown>;
}

/** {@link SinkCommon} with the plugin's defaults filled in. */
export interface ResolvedSinkCommon extends SinkCommon {
  select: string;
  request: SinkCommon["request"] & {
    /** Milliseconds. */
    maxWait: number;
  };
  /** Most requests in flight; a sink that keeps order uses one, whatever this says. */
  concurrency: number;
  compression: "gzip" | "none";
  catchUp: "oldest" | "newest";
}

export interface LoadedSink {
  name: string;
  plugin: SinkPlugin;
  options: Record<string, unknown>;
  common: ResolvedSinkCommon;
}

/** A configuration that is complete, and valid as far as can be told without running it. */
export interface LoadedConfig {
  /** The file, absolute. */
  path: string;
  /** What it held when it was read. */
  text: string;
  /** Where relative paths begin. */
  directory: string;
  /** The host's part; `state` and the paths under `rules` are absolute. */
  config: Config;
  sources: LoadedSource[];
  stages: LoadedStage[];
  sinks: LoadedSink[];
  /** A path of the configuration, made absolute. */
  resolve(path: string): string;
  /** Where a value is in the file, for errors that are found later. */
  place(path: Path): Place;
}

export interface LoadOptions {
  env?: Environment;
  registry?: Registry;
}

/**
 * Reads, completes and checks a configuration file. Every error found is reported, not only the first.
 * @throws ConfigError (AUDITSHIP_CONFIG_*, AUDITSHIP_PLUGIN_LOAD) with file, line and column of each.
 */
export async function loadConfig(
  file: string,
  { env = process.env, registry = builtins() }: LoadOptions = {},
): Promise<LoadedConfig> {
  const path = resolve(file);
  const document = new PlacedDocument(await read(path, file), file, env);
  return new Loader(path, document, registry).load();
}

async function read(path: string, name: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a directory" : message;
    throw new AuditshipError(
      "AUDITSHIP_CONFIG_READ",
      `cannot read the configuration: ${why}.`,
      { file: name },
      { cause },
    );
  }
}

/** One load: gathers errors while it goes, throws them together. */
class Loader {
  readonly #path: string;
  readonly #directory: string;
  readonly #document: PlacedDocument;
  readonly #registry: Registry;
  readonly #errors: AuditshipError[] = [];

  constructor(path: string, document: PlacedDocument, registry: Registry) {
    this.#path = path;
    this.#directory = dirname(path);
    this.#document = document;
    this.#registry = registry;
  }

  async load(): Promise<LoadedConfig> {
    this.#stopOnErrors(this.#document.errors);
    const config = this.#check(configSchema, []);
    const raw = this.#document.data() as { sources?: object; stages?: unknown; sinks?: object };
    const sources = await each(names(raw.sources), (name) => this.#source(name));
    const stages = await each(config?.stages ?? [], (stage, index) => this.#stage(stage, index));
    const sinks = await each(names(raw.sinks), (name) => this.#sink(name));
    this.#refuseRepeated(config?.stages ?? []);
    this.#refuseShared(sinks);
    this.#stopOnErrors([...this.#document.errors, ...this.#errors]);
    return this.#loaded(config as Config, sources, stages, sinks);
  }

  #loaded(config: Config, sources: LoadedSource[], stages: LoadedStage[], sinks: LoadedSink[]): LoadedConfig {
    const directory = this.#directory;
    const absolute = (path: string) => resolve(directory, path);
    config.node ||= hostname();
    config.state = absolute(config.state);
    config.rules.paths = config.rules.paths.map(absolute);
    if (config.kubernetes.kubeconfig !== undefined)
      config.kubernetes.kubeconfig = absolute(config.kubernetes.kubeconfig);
    if (config.rules.auditPolicy !== undefined) config.rules.auditPolicy = absolute(config.rules.auditPolicy);
    return {
      path: this.#path,
      text: this.#document.text,
      directory,
      config,
      sources,
      stages,
      sinks,
      resolve: absolute,
      place: (path) => this.#document.place(path),
    };
  }

  async #source(name: string): Promise<LoadedSource | undefined> {
    const path = ["sources", name];
    const plugin = (await this.#plugin("source", [...path, "type"], "file")) as SourcePlugin | undefined;
    const parts = plugin && this.#split(sourceSchema, plugin.options(z), path);
    return parts && { name, plugin, ...parts };
  }

  async #sink(name: string): Promise<LoadedSink | undefined> {
    const path = ["sinks", name];
    const plugin = (await this.#plugin("sink", [...path, "type"])) as SinkPlugin | undefined;
    const parts = plugin && this.#split(sinkSchema, plugin.options(z), path);
    if (!parts) return undefined;
    if (parts.common.catchUp === "newest" && !plugin.anyOrder) {
      this.#fail([...path, "catchUp"], `newest is not for ${plugin.name}, which keeps the log's order; leave it out.`);
    }
    return { name, plugin, options: parts.options, common: withDefaults(parts.common, plugin) };
  }

  /** A stage listed twice would do its work twice: two matches instead of one. */
  #refuseRepeated(stages: Config["stages"]): void {
    const names = stages.map(nameOf);
    for (const [index, name] of names.entries()) {
      if (name !== undefined && names.indexOf(name) < index)
        this.#fail(["stages", index], `${name} stands twice; name a stage once, with all of its options.`);
    }
  }

  /** Two sinks that write to one file would overwrite each other's events. */
  #refuseShared(sinks: readonly LoadedSink[]): void {
    const owners = new Map<string, string>();
    for (const { name, plugin, options } of sinks) {
      const file = plugin.ownFile && resolve(this.#directory, plugin.ownFile(options));
      if (file === undefined) continue;
      const owner = owners.get(file);
      if (owner === undefined) owners.set(file, name);
      else this.#fail(["sinks", name, "path"], `sink ${owner} writes to that file; give each one of its own.`);
    }
  }

  async #stage(stage: string | Record<string, unknown>, index: number): Promise<LoadedStage | undefined> {
    const path = ["stages", index];
    const name = nameOf(stage);
    if (name === undefined) {
      this.#fail(path, "a stage is a name, or one name with its options: workspace: {…}.");
      return undefined;
    }
    const plugin = (await this.#plugin("stage", path, name)) as StagePlugin | undefined;
    if (!plugin) return undefined;
    const schema = plugin.options(z).strict();
    const options =
      typeof stage === "string" ? this.#check(schema, path, () => ({})) : this.#check(schema, [...path, name]);
    return options && { name, plugin, options };
  }

  /** The plugin that the text at `path` names; the one called `name` if there is no text. */
  async #plugin(kind: "source" | "stage" | "sink", path: Path, name?: string) {
    const type = this.#value(path) ?? name;
    const wanted = kind === "stage" ? name : type;
    // Not a string: the schema reports that, or that it is missing.
    if (typeof wanted !== "string") return undefined;
    try {
      return await this.#registry.load(kind, wanted, this.#directory);
    } catch (error) {
      if (!(error instanceof AuditshipError)) throw error;
      const help = suggestion(wanted, this.#registry.names(kind));
      this.#errors.push(
        new AuditshipError(error.code, `${error.message}${help}`, this.#document.place(path), { cause: error }),
      );
      return undefined;
    }
  }

  /** Checks the entry at `path` against the host's keys and the plugin's, each with its own schema. */
  #split<Common extends z.ZodObject>(common: Common, options: z.ZodObject, path: Path) {
    const all = z.object({ ...options.shape, ...common.shape });
    const isCommon = (key: string) => Object.hasOwn(common.shape, key);
    const hosts = this.#check(common, path, () => pick(this.#value(path), isCommon), all);
    const own = this.#check(options.strict(), path, () => pick(this.#value(path), (key) => !isCommon(key)), all);
    return hosts && own && { common: hosts, options: own };
  }

  /** The checked value at `path`; undefined after its errors were noted. `known` has the keys to suggest. */
  #check<Schema extends z.ZodType>(
    schema: Schema,
    path: Path,
    read: () => unknown = () => this.#value(path) ?? {},
    known: z.ZodType = schema,
  ): z.output<Schema> | undefined {
    const result = schema.safeParse(read());
    if (result.success) return result.data;
    const { issues } = result.error;
    const retyped = issues.filter((issue) => takesScalar(issue) && this.#document.retype([...path, ...issue.path]));
    if (retyped.length > 0) return this.#check(schema, path, read, known);
    for (const issue of issues) this.#errors.push(...describeIssue(issue, this.#document, path, known));
    return undefined;
  }

  #value(path: Path): unknown {
    let value = this.#document.data();
    for (const step of path) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
      value = (value as Record<PropertyKey, unknown>)[step];
    }
    return value;
  }

  #fail(path: Path, message: string): void {
    this.#errors.push(
      new AuditshipError("AUDITSHIP_CONFIG_VALUE", `${dotted(path)}: ${message}`, this.#document.place(path)),
    );
  }

  #stopOnErrors(errors: readonly AuditshipError[]): void {
    const unique = [...new Map(errors.map((error) => [error.line(), error])).values()];
    if (unique.length > 0) throw new ConfigError(unique.sort(byPlace));
  }
}

/**
 * `select: archived` without any rule that archives would silently keep an archive empty: an error, once the rules are known.
 * @param archiving whether some rule archives at the configured priority
 */
export function requireArchivingRules(loaded: LoadedConfig, archiving: boolean): void {
  // One may yet come.
  if (archiving || loaded.config.rules.watch) return;
  const errors = loaded.sinks
    .filter((sink) => sink.common.select === "archived")
    .map(({ name }) => {
      const message = `sinks.${name}.select is archived, but no rule archives anything; add archiving rules under rules.paths, or select all.`;
      return new AuditshipError("AUDITSHIP_CONFIG_VALUE", message, loaded.place(["sinks", name, "select"]));
    });
  if (errors.length > 0) throw new ConfigError(errors);
}

/** The sink's options with its plugin's defaults filled in. */
export function withDefaults(common: SinkCommon, { defaults }: SinkPlugin): ResolvedSinkCommon {
  const select = common.select ?? defaults?.select ?? "all";
  const maxWait = common.request.maxWait ?? defaults?.maxWait ?? (select === "alerting" ? 50 : 1000);
  return {
    ...common,
    select,
    startAt: common.startAt ?? (select === "alerting" ? "end" : undefined),
    request: { ...common.request, maxWait },
    concurrency: common.concurrency ?? defaults?.concurrency ?? 16,
    compression: common.compression ?? defaults?.compression ?? "none",
    catchUp: common.catchUp ?? defaults?.catchUp ?? "oldest",
  };
}

async function each<T, R>(items: readonly T[], load: (item: T, index: number) => Promise<R | undefined>): Promise<R[]> {
  const loaded = await Promise.all(items.map(load));
  return loaded.filter((item) => item !== undefined) as R[];
}

/** The entries with a valid name; the schema reports the others. */
const names = (entries: unknown): string[] =>
  typeof entries === "object" && entries !== null
    ? Object.keys(entries).filter((name) => nameSchema.safeParse(name).success)
    : [];

/** Undefined for one with several names, or none. */
function nameOf(stage: string | Record<string, unknown>): string | undefined {
  const names = typeof stage === "string" ? [stage] : Object.keys(stage);
  return names.length === 1 ? names[0] : undefined;
}

function pick(entry: unknown, wanted: (key: string) => boolean): unknown {
  if (typeof entry !== "object" || entry === null) return entry;
  return Object.fromEntries(Object.entries(entry).filter(([key]) => wanted(key)));
}

const takesScalar = (issue: z.core.$ZodIssue) =>
  issue.code === "invalid_type" && ["number", "int", "boolean"].includes(issue.expected);

const byPlace = (a: AuditshipError, b: AuditshipError) =>
  (a.place.line ?? 0) - (b.place.line ?? 0) || (a.place.column ?? 0) - (b.place.column ?? 0);
