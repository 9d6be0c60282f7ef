import { type LoadedConfig, type LoadOptions, loadConfig } from "../config/load.js";
import { watchConfig } from "../config/watch.js";
import { createLog, type Log } from "../observe/log.js";
import { Metrics } from "../observe/meter.js";
import { AuditshipError } from "../plugin/index.js";
import { Agent } from "./agent.js";

export interface ServiceOptions extends Pick<LoadOptions, "env"> {
  once?: boolean;
  /** Called once, when everything runs. */
  onStarted?: (agent: Agent, loaded: LoadedConfig) => void;
}

/**
 * Runs an agent as this process: stops it on SIGTERM and SIGINT (at once on the second), reloads it on SIGHUP and when a file
 * changes. Resolves to false if it failed.
 */
export async function runService(
  file: string,
  { once = false, env, onStarted }: ServiceOptions = {},
): Promise<boolean> {
  const loaded = await loadConfig(file, { env });
  const log = createLog({ level: loaded.config.observe.log });
  const metrics = new Metrics();
  const agent = await Agent.start(loaded, { once, log, metrics });
  const reloader = once ? undefined : await Reloader.start(agent, loaded, { env, log, metrics });
  const release = stopOnSignals(agent, log);
  onStarted?.(agent, loaded);
  const { failed } = await agent.finished;
  release();
  await reloader?.close();
  return !failed;
}

/** What an agent and its reloads share. */
interface Context {
  env?: LoadOptions["env"];
  log: Log;
  metrics: Metrics;
}

/** Watches the files of a configuration, and loads them anew. */
class Reloader {
  readonly #agent: Agent;
  readonly #context: Context;
  readonly #file: string;
  readonly #onHangUp = () => this.#request();
  #watch: { paths: string; close(): Promise<void> } | undefined;
  #working: Promise<void> = Promise.resolve();
  #requested = false;

  private constructor(agent: Agent, file: string, context: Context) {
    this.#agent = agent;
    this.#file = file;
    this.#context = context;
  }

  static async start(agent: Agent, loaded: LoadedConfig, context: Context): Promise<Reloader> {
    const reloader = new Reloader(agent, loaded.path, context);
    await reloader.#follow(loaded);
    process.on("SIGHUP", reloader.#onHangUp);
    return reloader;
  }

  async close(): Promise<void> {
    process.off("SIGHUP", this.#onHangUp);
    await this.#working;
    await this.#watch?.close();
  }

  /** One reload at a time; what changes during one is in the next. */
  #request(): void {
    if (this.#requested) return;
    this.#requested = true;
    this.#working = this.#working.then(async () => {
      this.#requested = false;
      await this.#reload();
    });
  }

  async #reload(): Promise<void> {
    const { env, log, metrics } = this.#context;
    try {
      const loaded = await loadConfig(this.#file, { env });
      await this.#agent.reload(loaded);
      await this.#follow(loaded);
    } catch (error) {
      metrics.add("auditship_reloads_total", 1, "config", "refused");
      const lines = error instanceof AuditshipError ? error.line().split("\n") : [(error as Error).message];
      for (const line of lines) log.error({}, line);
      log.error({ config: this.#file }, "The configuration has errors; the one before stays.");
    }
  }

  /** Watches what the configuration now names. */
  async #follow({ path, config }: LoadedConfig): Promise<void> {
    const paths = [path, ...config.rules.paths];
    if (this.#watch?.paths === paths.join("\n")) return;
    await this.#watch?.close();
    this.#watch = { paths: paths.join("\n"), ...(await watchConfig(paths, () => this.#request())) };
  }
}

function stopOnSignals(agent: Agent, log: Log): () => void {
  let asked = false;
  const stop = (signal: NodeJS.Signals) => {
    if (asked) process.exit(1);
    asked = true;
    log.info({ signal }, "Stopping; once more to stop at once.");
    void agent.stop();
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  return () => void process.off("SIGTERM", stop).off("SIGINT", stop);
}
