import { type LoadedConfig, type LoadOptions, loadConfig } from "../config/load.js";
import { type ConfigWatch, watchConfig } from "../config/watch.js";
import { faultOf } from "../observe/fault.js";
import { createLog, type Log } from "../observe/log.js";
import { Metrics } from "../observe/meter.js";
import { Agent } from "../pipeline/agent.js";
import { AuditshipError } from "../plugin/index.js";
import { boundGarbage, tuneEngine } from "./engine.js";

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
  tuneEngine();
  const loaded = await loadConfig(file, { env });
  const log = createLog({ level: loaded.config.observe.log });
  const metrics = new Metrics();
  const crashes = listenForCrashes(log);
  const signals = listenForStop(log);
  const reloader = once ? undefined : await Reloader.start(loaded, { env, log, metrics });
  try {
    const agent = await Agent.start(loaded, { once, log, metrics, onLoaded: boundGarbage });
    void signals.asked.then(() => agent.stop());
    reloader?.attach(agent);
    onStarted?.(agent, loaded);
    const { failed } = await agent.finished;
    return !failed;
  } finally {
    await reloader?.close();
    signals.release();
    crashes.release();
  }
}

/** What nobody catches ends the process, as ever; but of what it says only what cannot quote an event is printed. */
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
}

/** Watches the files of a configuration, and loads them anew. What changes before there is an agent is not missed. */
class Reloader {
  readonly #context: Context;
  readonly #file: string;
  readonly #agent: Promise<Agent>;
  readonly #onHangUp = () => this.#request();
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
    process.on("SIGHUP", reloader.#onHangUp);
    await reloader.#follow(loaded);
    return reloader;
  }

  attach(agent: Agent): void {
    this.#attach(agent);
  }

  async close(): Promise<void> {
    this.#closed = true;
    process.off("SIGHUP", this.#onHangUp);
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

  /** Watches what a configuration names before that is read, and though it may be refused: what is mended there is noticed. */
  async #follow({ path, config }: LoadedConfig): Promise<void> {
    const paths = [path, ...config.rules.paths];
    if (this.#watch?.paths === paths.join("\n")) return;
    const before = this.#watch;
    this.#watch = { paths: paths.join("\n"), changes: await watchConfig(paths, () => this.#request()) };
    await before?.changes.close();
    if (this.#closed) await this.#watch.changes.close();
  }
}

/** From the first moment on, so that an agent that is still starting stops cleanly, too. */
function listenForStop(log: Log): { asked: Promise<void>; release(): void } {
  let ask = () => {};
  const asked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  const again = () => process.exit(1);
  const stop = (signal: NodeJS.Signals) => {
    process.off("SIGTERM", stop).off("SIGINT", stop).on("SIGTERM", again).on("SIGINT", again);
    log.info({ signal }, "Stopping; once more to stop at once.");
    ask();
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  return {
    asked,
    release() {
      for (const listener of [stop, again]) process.off("SIGTERM", listener).off("SIGINT", listener);
    },
  };
}
