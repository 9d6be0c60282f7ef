import { readFile, stat } from "node:fs/promises";
import { type LoadedConfig, type LoadOptions, loadConfig } from "../config/load.js";
import { type ConfigWatch, watchConfig } from "../config/watch.js";
import { faultOf } from "../observe/fault.js";
import { createLog, type Log } from "../observe/log.js";
import { Metrics } from "../observe/meter.js";
import { Agent } from "../pipeline/agent.js";
import { AuditshipError } from "../plugin/index.js";
import { boundGarbage, tuneEngine } from "./engine.js";
import { Signals } from "./signals.js";

export interface ServiceOptions extends Pick<LoadOptions, "env"> {
  once?: boolean;
  /** What the process was asked so far, by signals. */
  signals?: Signals;
  /** Called once, when everything runs. */
  onStarted?: (agent: Agent, loaded: LoadedConfig) => void;
}

/**
 * Runs an agent as this process: stops it on SIGTERM and SIGINT (at once on the second), reloads it on SIGHUP and when a file
 * changes. Resolves to false if it failed.
 */
export async function runService(
  file: string,
  { once = false, env, signals = new Signals({ once }), onStarted }: ServiceOptions = {},
): Promise<boolean> {
  try {
    tuneEngine();
    return await serve(await loadConfig(file, { env }), { once, env, signals, onStarted });
  } finally {
    signals.release();
  }
}

async function serve(
  loaded: LoadedConfig,
  { once, env, signals, onStarted }: ServiceOptions & { once: boolean; signals: Signals },
): Promise<boolean> {
  const log = createLog({ level: loaded.config.observe.log });
  const metrics = new Metrics();
  const crashes = listenForCrashes(log);
  void signals.stop.then((signal) => log.info({ signal }, "Stopping; signal again to stop at once."));
  const reloader = once ? undefined : await Reloader.start(loaded, { env, log, metrics, signals });
  try {
    const agent = await Agent.start(loaded, { once, log, metrics, onLoaded: boundGarbage });
    void signals.stop.then(() => agent.stop());
    reloader?.attach(agent);
    onStarted?.(agent, loaded);
    const { failed } = await agent.finished;
    return !failed;
  } finally {
    await reloader?.close();
    crashes.release();
  }
}

/** An uncaught error ends the process, but only what cannot quote an event is logged of it. */
function listenForCrashes(log: Log): { release(): void } {
  const crash = (error: unknown) => {
    log.fatal({ error: faultOf(error) }, "The agent crashed. What the error says is left out: it may quote an event.");
    process.exit(1);
  };
  process.on("uncaughtException", crash);
  return { release: () => void process.off("uncaughtException", crash) };
}

/** What an agent and its reloads share. */
interface Context {
  env?: LoadOptions["env"];
  log: Log;
  metrics: Metrics;
  signals: Signals;
}

/** Watches the files of a configuration, and loads them again. Changes before there is an agent are not missed. */
class Reloader {
  readonly #context: Context;
  readonly #file: string;
  readonly #agent: Promise<Agent>;
  #attach!: (agent: Agent) => void;
  #watch: { paths: string; changes: ConfigWatch } | undefined;
  #working: Promise<void> = Promise.resolve();
  #requested = false;
  #closed = false;

  private constructor(file: string, context: Context) {
    this.#file = file;
    this.#context = context;
    this.#agent = new Promise((resolve) => {
      this.#attach = resolve;
    });
  }

  static async start(loaded: LoadedConfig, context: Context): Promise<Reloader> {
    const reloader = new Reloader(loaded.path, context);
    context.signals.onReload = () => reloader.#request();
    await reloader.#follow(loaded);
    if (await hasChanged(loaded)) reloader.#request();
    return reloader;
  }

  attach(agent: Agent): void {
    this.#attach(agent);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#watch?.changes.close();
  }

  /** One reload at a time; what changes during one is in the next. */
  #request(): void {
    if (this.#requested) return;
    this.#requested = true;
    this.#working = this.#working.then(async () => {
      const agent = await this.#agent;
      this.#requested = false;
      if (!this.#closed) await this.#reload(agent);
    });
  }

  async #reload(agent: Agent): Promise<void> {
    const { env, log, metrics } = this.#context;
    try {
      const loaded = await loadConfig(this.#file, { env });
      await this.#follow(loaded);
      await agent.reload(loaded);
    } catch (error) {
      metrics.add("auditship_reloads_total", 1, "config", "refused");
      const lines = error instanceof AuditshipError ? error.line().split("\n") : [(error as Error).message];
      for (const line of lines) log.error({}, line);
      log.error({ config: this.#file }, "The configuration has errors; the one before stays.");
    }
  }

  /** Watches what a configuration names before reading it, even if it is refused: so a fix there is noticed. */
  async #follow({ path, config }: LoadedConfig): Promise<void> {
    const paths = [path, ...config.rules.paths];
    if (this.#watch?.paths === paths.join("\n")) return;
    const before = this.#watch;
    this.#watch = { paths: paths.join("\n"), changes: await watchConfig(paths, () => this.#request()) };
    await before?.changes.close();
    if (this.#closed) await this.#watch.changes.close();
  }
}

/** True if a configuration's file is no longer what was read: until it is watched nobody tells. A pipe cannot be read twice. */
async function hasChanged({ path, text }: LoadedConfig): Promise<boolean> {
  try {
    return (await stat(path)).isFile() && (await readFile(path, "utf8")) !== text;
  } catch {
    return true;
  }
}
