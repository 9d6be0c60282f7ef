import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type LoadedConfig, type LoadedSource, requireArchivingRules } from "../config/load.js";
import { Arena, EventBatch } from "../event/index.js";
import { Cluster } from "../kubernetes/cluster.js";
import { type Control, takeControl } from "../observe/control.js";
import { faultOf } from "../observe/fault.js";
import { Readiness } from "../observe/health.js";
import type { Metrics } from "../observe/meter.js";
import { type ObserveServer, serveObservation } from "../observe/server.js";
import { AuditshipError, type Logger, within } from "../plugin/index.js";
import { VERSION } from "../version.js";
import { Checkpoints } from "./checkpoints.js";
import { changedUntilRestart, isSame, untilRestart } from "./config-change.js";
import { Counters } from "./counters.js";
import { Feed } from "./feed.js";
import { Hosts } from "./hosts.js";
import { KubeSphereEvents } from "./kubesphere-events.js";
import { LiveReports } from "./live-reports.js";
import { LiveRules, type RulesRead } from "./live-rules.js";
import { CATCH_UP_LANES, type MemoryPlan, planMemory } from "./memory.js";
import { placed } from "./placed.js";
import { withReceivers } from "./receivers.js";
import { RulesInForce } from "./rules.js";
import { SinkSet } from "./sink-set.js";
import { type MadeSink, makeSinks } from "./sinks.js";
import { Slots } from "./slots.js";
import { type OpenSource, openSource } from "./sources.js";
import { makeStages, type StageSet } from "./stages.js";
import { StateStore } from "./state.js";
import { StoredEvent } from "./stored-event.js";

export interface AgentOptions {
  /** Read what is there, deliver it, and end. */
  once: boolean;
  log: Logger;
  metrics: Metrics;
  /** Called once, when rules and stages are loaded and the sources are not open yet. */
  onLoaded?: () => void;
}

/** How an agent ended. */
export interface AgentEnd {
  failed: boolean;
}

/** What readiness waits for, apart from the sinks. */
const STARTING = "agent";
const STATE = "state";

/** The whole of a running agent: sources, stages, sinks, and what goes on between them. */
export class Agent {
  /** Resolves when a `--once` run is done, or the agent had to stop. */
  readonly finished: Promise<AgentEnd>;
  readonly #options: AgentOptions;
  readonly #instance = randomUUID();
  readonly #abort = new AbortController();
  readonly #readiness = new Readiness();
  readonly #counters: Counters;
  readonly #rules: RulesInForce;
  readonly #kubesphere: KubeSphereEvents;
  readonly #reports: LiveReports;
  readonly #cluster: Cluster;
  readonly #hosts: Hosts;
  readonly #slots = new Slots(CATCH_UP_LANES);
  readonly #feeds = new Map<string, Feed>();
  readonly #sinks: SinkSet;
  /** With the sinks of receivers. */
  #loaded: LoadedConfig;
  /** Without. */
  #configured: LoadedConfig;
  #live: LiveRules | undefined;
  #isLiveReloadDue = false;
  #memory!: MemoryPlan;
  /** For batches and requests. */
  #arena!: Arena;
  #control: Control | undefined;
  #store!: StateStore;
  #checkpoints!: Checkpoints;
  #stages!: StageSet;
  #server: ObserveServer | undefined;
  /** False while it is not on disk where the sinks begin: a kill would let some of them begin anew. */
  #isPlaced = true;
  #end!: (end: AgentEnd) => void;
  #stopping: Promise<void> | undefined;
  #failed = false;
  #reloading: Promise<unknown> = Promise.resolve();

  private constructor(loaded: LoadedConfig, options: AgentOptions) {
    this.#loaded = loaded;
    this.#configured = loaded;
    this.#options = options;
    this.#counters = new Counters(options.metrics);
    const { log, metrics } = options;
    this.#rules = new RulesInForce(log, metrics);
    this.#kubesphere = new KubeSphereEvents(log, metrics);
    const { kubernetes, node } = loaded.config;
    this.#cluster = new Cluster({ kubeconfig: kubernetes.kubeconfig, log, meter: metrics, signal: this.#abort.signal });
    this.#hosts = new Hosts({
      loaded,
      log,
      meter: metrics,
      cluster: this.#cluster,
      rules: () => this.#rules.set,
      signal: this.#abort.signal,
    });
    this.#reports = new LiveReports({ cluster: this.#cluster, node, log, meter: metrics });
    this.#sinks = new SinkSet({
      feeds: this.#feeds,
      readiness: this.#readiness,
      metrics,
      checkpoints: () => this.#checkpoints,
    });
    this.finished = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Starts everything, or throws an AuditshipError and leaves nothing behind. */
  static async start(loaded: LoadedConfig, options: AgentOptions): Promise<Agent> {
    const agent = new Agent(loaded, options);
    try {
      await agent.#start();
    } catch (error) {
      await agent.#close();
      throw error;
    }
    if (options.once) void agent.#runOnce();
    return agent;
  }

  /** Where metrics are served; undefined if they are not. */
  get observeUrl(): string | undefined {
    return this.#server?.url;
  }

  /** The agent's answer on the control socket, also before its rules are loaded, which may take seconds. */
  status(): object {
    const sinks = this.#sinks.runners.map((runner) => ({
      name: runner.name,
      state: runner.state,
      failing: runner.failing,
      lag: Object.fromEntries([...this.#feeds].map(([source, feed]) => [source, feed.lag(runner)])),
    }));
    const rules = this.#rules.known;
    const { auditLevel, k8sAuditingEnabled } = rules?.webhook ?? {};
    const kubesphere = rules?.webhook && { auditLevel, k8sAuditingEnabled };
    return { version: VERSION, config: this.#loaded.path, rules: rules?.set.hash, kubesphere, sinks };
  }

  /** Stops reading, waits `shutdownTimeout` for what is in flight, writes the cursors down. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Takes over rules, stages and sinks of a new configuration between two batches, and logs what needs a restart. Does nothing if the agent is stopping. */
  reload(loaded: LoadedConfig): Promise<void> {
    const reloading = this.#reloading.then(() => this.#reload(loaded));
    this.#reloading = reloading.catch(() => {});
    return reloading;
  }

  async #start(): Promise<void> {
    const { config } = this.#loaded;
    const { log, metrics } = this.#options;
    this.#control = await takeControl(config.state, this.#instance, () => this.status());
    this.#store = new StateStore(config.state, { instance: this.#instance, node: config.node }, log, metrics);
    await this.#store.open();
    this.#checkpoints = new Checkpoints(this.#store, () => this.#feeds.values(), log);
    this.#checkpoints.onLocked = (error) => this.#fail(error);
    this.#checkpoints.onFailed = (reason) => this.#readiness.note(STATE, reason);
    this.#checkpoints.onWritten = () => this.#written();
    this.#readiness.await(STARTING, "not all of it runs yet");
    this.#server = await serveObservation(config.observe.listen, { metrics, readiness: this.#readiness });
    metrics.beforeScrape(() => this.#measure());
    if (config.rules.watch) this.#live = await LiveRules.open(this.#cluster, config.rules.namespaces);
    await this.#rules.start(config.rules, this.#live);
    this.#useRules(this.#rules.loaded);
    requireArchivingRules(this.#loaded, this.#rules.loaded.archiving);
    this.#loaded = await withReceivers(this.#loaded, this.#rules.loaded.receivers);
    this.#memory = await placed(this.#loaded, ["memory", "buffers"], () => planMemory(this.#loaded));
    this.#arena = new Arena(this.#memory.all);
    this.#stages = await this.#makeStages(this.#loaded);
    this.#options.onLoaded?.();
    for (const source of this.#loaded.sources) this.#feeds.set(source.name, this.#feed(await this.#openSource(source)));
    this.#isPlaced = await this.#sinks.add(await this.#makeSinks(this.#loaded), this.#loaded.sources);
    if (this.#isPlaced) this.#started();
    else this.#readiness.await(STARTING, "where its sinks begin is not written down yet");
    await this.#forgetRemoved();
    this.#live?.follow(() => this.#followCluster());
  }

  /** The state is on disk. */
  #written(): void {
    this.#readiness.met(STATE);
    if (this.#isPlaced || this.#stopping) return;
    this.#isPlaced = true;
    this.#started();
  }

  #started(): void {
    const { config } = this.#loaded;
    this.#readiness.met(STARTING);
    this.#options.log.info(
      {
        version: VERSION,
        sources: this.#loaded.sources.map(({ name }) => name),
        sinks: this.#loaded.sinks.map(({ name }) => name),
        rules: this.#rules.set.size,
        metrics: this.#server?.url && `${this.#server.url}/metrics`,
        state: config.state,
      },
      "Agent started.",
    );
  }

  // ---- what it is made of

  #makeStages({ stages, place }: LoadedConfig): Promise<StageSet> {
    const { log, metrics } = this.#options;
    return makeStages(stages, { place, host: (name) => this.#hosts.ofStage(name), log, meter: metrics });
  }

  #openSource(source: LoadedSource): Promise<OpenSource> {
    const { log, metrics, once } = this.#options;
    const { config, place } = this.#loaded;
    return openSource(source, {
      host: (name) => this.#hosts.of(name),
      directory: (name) => this.#hosts.directory("spool", name),
      store: this.#store,
      once,
      maxLine: config.maxLine,
      log,
      metrics,
      place,
    });
  }

  #feed({ name, source, stored, drop }: OpenSource): Feed {
    const { cluster, node, labels } = this.#loaded.config;
    const { batch } = this.#memory;
    const arena = this.#arena;
    return new Feed(source, stored, {
      source: name,
      log: this.#options.log,
      slots: this.#slots,
      batchBytes: batch,
      newBatch: () => new EventBatch({ capacity: batch, documents: { cluster, node, labels }, arena }),
      count: (batch, fresh) => this.#counters.count(batch, fresh),
      runStages: async (batch) => {
        drop(batch);
        this.#kubesphere.run(batch);
        await this.#stages.run(batch);
      },
      onProgress: (runner) => this.#checkpoints.touch(runner),
      onFailure: (error) => this.#fail(error),
    });
  }

  #makeSinks({ sinks, place }: Pick<LoadedConfig, "sinks" | "place">): Promise<MadeSink[]> {
    return makeSinks(sinks, {
      place,
      host: (name, signal) => this.#hosts.of(name, signal),
      memory: this.#memory,
      bodies: this.#arena,
      state: this.#loaded.config.state,
      viewLetter: StoredEvent.of,
    });
  }

  #forgetRemoved(): Promise<void> {
    const names = this.#loaded.sinks.map(({ name }) => name);
    return this.#store.forgetRemoved(names, Date.now()).catch((error: Error) => {
      this.#options.log.warn({ error: error.message }, "Cannot tidy the state directory.");
    });
  }

  #measure(): void {
    const { metrics } = this.#options;
    for (const [source, feed] of this.#feeds) {
      feed.measure();
      for (const runner of this.#sinks.runners) {
        const { bytes, seconds } = feed.lag(runner);
        metrics.set("auditship_lag_bytes", bytes, source, runner.name);
        metrics.set("auditship_lag_seconds", seconds, source, runner.name);
      }
    }
    metrics.set("auditship_state_age_seconds", this.#checkpoints.age());
  }

  // ---- reload

  async #reload(given: LoadedConfig): Promise<void> {
    if (this.#stopping) return;
    const { log, metrics } = this.#options;
    const before = this.#loaded;
    for (const key of changedUntilRestart(before, given))
      log.warn({ key }, "This part of the configuration has changed and takes effect after a restart.");
    const config = untilRestart(given.config, before.config);
    const rules = await this.#rules.read(config.rules);
    if (!rules) config.rules = before.config.rules;
    await this.#change({ ...given, config, sources: before.sources }, rules, { revive: true });
    if (this.#stopping) return;
    metrics.add("auditship_reloads_total", 1, "config", "ok");
    log.info({ sinks: this.#sinks.names, rules: this.#rules.set.size }, "Configuration reloaded.");
  }

  /** Takes what the cluster has now; what changes before its turn is in it. */
  #followCluster(): void {
    if (this.#isLiveReloadDue) return;
    this.#isLiveReloadDue = true;
    this.#reloading = this.#reloading.then(async () => {
      this.#isLiveReloadDue = false;
      if (!this.#live || this.#stopping) return;
      let rules: RulesRead | undefined;
      try {
        rules = await this.#rules.readLive(this.#live, this.#configured.config.rules);
        await this.#change(this.#configured, rules, { revive: false });
      } catch (error) {
        const message = error instanceof AuditshipError ? error.line() : (error as Error).message;
        if (rules && error instanceof AuditshipError) void this.#reports.tell(this.#live.refuse(rules, error));
        this.#options.metrics.add("auditship_reloads_total", 1, "rules", "refused");
        this.#options.log.error({ error: message }, "What changed in the cluster is not in force.");
      }
    });
  }

  #useRules(rules: RulesRead): void {
    this.#kubesphere.use(rules.webhook);
    if (this.#live) void this.#reports.tell(rules);
  }

  /**
   * Puts a configuration in force, and new rules if there are any: all of it, or nothing.
   * @param revive whether sinks that have stopped are made anew
   */
  async #change(
    configured: LoadedConfig,
    rules: RulesRead | undefined,
    { revive }: { revive: boolean },
  ): Promise<void> {
    const { archiving, receivers } = rules ?? this.#rules.loaded;
    requireArchivingRules(configured, archiving);
    const loaded = await withReceivers(configured, receivers);
    const staying = this.#staying(loaded, revive);
    // All that may be wrong is found out before anything changes.
    const sinks = await this.#makeSinks({ ...loaded, sinks: loaded.sinks.filter(({ name }) => !staying.has(name)) });
    let stages = this.#stages;
    try {
      if (!isSame(this.#loaded.stages, loaded.stages)) stages = await this.#makeStages(loaded);
    } catch (error) {
      for (const sink of sinks) await sink.close();
      throw error;
    }
    if (rules) {
      this.#rules.reload(rules);
      this.#useRules(rules);
    }
    const old = this.#stages;
    this.#stages = stages;
    if (stages !== old) await old.retire();
    this.#loaded = loaded;
    this.#configured = configured;
    for (const name of this.#sinks.names) {
      if (!staying.has(name)) await this.#sinks.remove(name, loaded.config.shutdownTimeout);
    }
    if (this.#stopping) for (const sink of sinks) await sink.close();
    else await this.#sinks.add(sinks, loaded.sources);
  }

  /** Names of the sinks that go on as they are. */
  #staying({ sinks }: LoadedConfig, revive: boolean): ReadonlySet<string> {
    const same = sinks.filter((wanted) => {
      const running = this.#sinks.get(wanted.name);
      return isSame(running?.loaded, wanted) && !(revive && running?.runner.state === "stopped");
    });
    return new Set(same.map(({ name }) => name));
  }

  // ---- end

  async #runOnce(): Promise<void> {
    try {
      do {
        for (const feed of this.#feeds.values()) await feed.finished();
        for (const runner of this.#sinks.runners) await runner.drain();
        if (this.#complete()) break;
        const stopped = this.#sinks.runners.find(({ state }) => state === "stopped");
        if (stopped) throw new AuditshipError("AUDITSHIP_SINK_FAILED", `sink ${stopped.name}: ${stopped.failing}`);
        await sleep(50);
      } while (!this.#stopping);
      await this.stop();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** True when every sink has everything. */
  #complete(): boolean {
    return this.#sinks.runners.every(({ taking, idle }) => taking && idle);
  }

  #fail(error: Error): void {
    this.#options.log.error({ error: faultOf(error) }, "The agent has to stop.");
    this.#failed = true;
    void this.stop().finally(() => this.#end({ failed: true }));
  }

  async #stop(): Promise<void> {
    const { shutdownTimeout } = this.#loaded.config;
    const taking = () => this.#sinks.runners.filter((runner) => runner.taking);
    const quiet = (async () => {
      // Nothing may come to be, or be written down, after what follows.
      await this.#reloading;
      await Promise.all([...this.#feeds.values()].map((feed) => feed.stop()));
      await Promise.all(taking().map((runner) => runner.finish()));
    })();
    await within(shutdownTimeout, quiet);
    // Also what was acknowledged beyond a cursor that did not move.
    for (const runner of taking()) this.#checkpoints.touch(runner);
    this.#checkpoints.touch(undefined);
    const written = await this.#checkpoints.flush();
    await this.#forgetRemoved();
    await this.#close();
    this.#options.log.info({}, "Agent stopped.");
    this.#end({ failed: this.#failed || !written });
  }

  async #close(): Promise<void> {
    this.#checkpoints?.stop();
    await this.#sinks.close();
    this.#live?.close();
    this.#abort.abort();
    await this.#stages?.retire();
    await Promise.all([...this.#feeds.values()].map((feed) => feed.close()));
    await this.#server?.close();
    await this.#control?.release();
  }
}
