import type { LoadedSource } from "../config/load.js";
import type { Runner } from "../delivery/runner.js";
import type { Readiness } from "../observe/health.js";
import type { Metrics } from "../observe/meter.js";
import { type StartPoint, within } from "../plugin/index.js";
import type { Checkpoints } from "./checkpoints.js";
import type { Feed } from "./feed.js";
import type { MadeSink, RunningSink } from "./sinks.js";
import type { SinkRecord } from "./state.js";

/** What a set of sinks works with. */
export interface SinkSetDeps {
  /** By source. */
  readonly feeds: ReadonlyMap<string, Feed>;
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  checkpoints(): Checkpoints;
}

/** The sinks of a running agent, by name: each is fed by every source, keeps its place in each, and takes part in readiness. */
export class SinkSet {
  readonly #deps: SinkSetDeps;
  readonly #sinks = new Map<string, RunningSink>();
  /** Sinks that were ended, and keep their places in the sources until those that may go on there are added. */
  readonly #ended = new Set<Runner>();
  /** Sinks with state of their own, in order, that is not on disk as it was when they began: they take nothing before it is. */
  readonly #unplaced = new Set<Runner>();

  constructor(deps: SinkSetDeps) {
    this.#deps = deps;
  }

  get names(): string[] {
    return [...this.#sinks.keys()];
  }

  get runners(): Runner[] {
    return [...this.#sinks.values()].map(({ runner }) => runner);
  }

  get(name: string): RunningSink | undefined {
    return this.#sinks.get(name);
  }

  /**
   * Starts sinks, then puts them on the sources in one go, so that those at one place share a lane; nothing is kept any more for
   * those that were removed. Resolves to true when where they begin is written down: what is written to a log from then on is theirs,
   * also after a kill. To false if that cannot be written now.
   */
  async add(sinks: readonly MadeSink[], sources: readonly LoadedSource[]): Promise<boolean> {
    const checkpoints = this.#deps.checkpoints();
    const started: { running: RunningSink; record: SinkRecord | undefined }[] = [];
    for (const made of sinks) {
      const record = await checkpoints.restore(made.loaded.name);
      const running = await made.start(record?.state);
      this.#sinks.set(made.loaded.name, running);
      this.#watch(running);
      started.push({ running, record });
    }
    // A sink with state of its own is reset to it at start: after a kill before its first checkpoint, the state must say where it began.
    for (const { running, record } of started)
      if (!record || running.sink.mode === "fold") checkpoints.touch(running.runner);
    await checkpoints.flush();
    for (const { running, record } of started) if (this.#isUnplaced(running, record)) this.#holdBack(running.runner);
    for (const { running, record } of started) this.#attach(running, record, sources);
    this.#forgetEnded();
    await Promise.all([...this.#deps.feeds.values()].map((feed) => feed.begun()));
    return (await checkpoints.flush()) || started.every(({ record }) => record !== undefined);
  }

  /**
   * Ends a sink; what it has taken gets `patience` milliseconds to arrive. Sources keep what it has not received, for a sink of the
   * same name, until {@link add}.
   */
  async remove(name: string, patience: number): Promise<void> {
    const running = this.#sinks.get(name);
    if (!running) return;
    const { feeds, readiness, metrics } = this.#deps;
    const checkpoints = this.#deps.checkpoints();
    const { runner } = running;
    for (const feed of feeds.values()) feed.leave(runner);
    await within(patience, runner.finish());
    // What changes from here on is not written down.
    this.#sinks.delete(name);
    checkpoints.touch(runner);
    await checkpoints.flush();
    await running.close();
    // A write that began before that is to be over before another has its name.
    await checkpoints.settled();
    this.#ended.add(runner);
    readiness.met(conditionOf(name));
    metrics.forget("sink", name);
  }

  /** Closes all of them; what is in flight is cut. */
  async close(): Promise<void> {
    const sinks = [...this.#sinks.values()];
    this.#sinks.clear();
    await Promise.all(sinks.map((sink) => sink.close()));
  }

  /** They hold no pin any more. */
  #forgetEnded(): void {
    for (const runner of this.#ended) for (const feed of this.#deps.feeds.values()) feed.remove(runner);
    if (this.#ended.size > 0) this.#deps.checkpoints().touch(undefined);
    this.#ended.clear();
  }

  /** True if after a kill now it would not be cut back to where it begins. What takes events in any order takes one twice, too. */
  #isUnplaced({ loaded, sink, runner }: RunningSink, record: SinkRecord | undefined): boolean {
    if (sink.mode !== "fold" || loaded.plugin.anyOrder || !runner.taking) return false;
    if (this.#deps.checkpoints().has(runner)) return false;
    return JSON.stringify(record?.state) !== JSON.stringify(sink.state());
  }

  #holdBack(runner: Runner): void {
    this.#unplaced.add(runner);
    runner.park(UNWRITTEN);
  }

  #attach({ loaded, runner }: RunningSink, record: SinkRecord | undefined, sources: readonly LoadedSource[]): void {
    for (const source of sources) {
      const start = startPoint(loaded.common.startAt ?? source.common.startAt);
      this.#deps.feeds.get(source.name)!.add(runner, record?.cursors[source.name], start);
    }
    if (runner.taking) void runner.greet();
  }

  #watch(running: RunningSink): void {
    const { loaded, runner, sink } = running;
    const { feeds, readiness } = this.#deps;
    const condition = conditionOf(loaded.name);
    const hold = (reason: string) =>
      loaded.common.required ? readiness.await(condition, reason) : readiness.note(condition, reason);
    if (loaded.common.required) hold("has not answered yet");
    const tell = () => {
      if (runner.stuck) hold(runner.stuck);
    };
    tell();
    if (sink.mode === "fold") {
      sink.onChange = () => {
        if (this.#sinks.get(loaded.name) === running) this.#deps.checkpoints().touch(runner);
      };
    }
    runner.onHindered = tell;
    runner.onAnswered = () => readiness.met(condition);
    runner.onParked = () => {
      tell();
      for (const feed of feeds.values()) feed.leave(runner);
    };
    runner.onStopped = (reason) => hold(`stopped: ${reason}`);
    runner.onResumed = async () => {
      const checkpoints = this.#deps.checkpoints();
      checkpoints.touch(runner);
      await checkpoints.flush();
      if (this.#unplaced.has(runner) && !checkpoints.has(runner)) throw new Error(UNWRITTEN);
      this.#unplaced.delete(runner);
    };
    runner.onReady = () => {
      readiness.met(condition);
      for (const feed of feeds.values()) feed.rejoin(runner);
    };
  }
}

const UNWRITTEN = "where it begins cannot be written to the state directory";

/** What readiness calls it. */
const conditionOf = (name: string): string => `sink ${name}`;

function startPoint(startAt: string): StartPoint {
  if (startAt === "beginning" || startAt === "end") return { at: startAt };
  return { at: "time", time: Date.parse(startAt) };
}
