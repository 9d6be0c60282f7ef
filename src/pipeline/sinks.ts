import { setMaxListeners } from "node:events";
import type { LoadedConfig, LoadedSink } from "../config/load.js";
import type { BodyMemory } from "../delivery/body-memory.js";
import type { ViewLetter } from "../delivery/burial.js";
import { DeadLetters } from "../delivery/dead-letters.js";
import { FoldingRunner } from "../delivery/folding.js";
import { createHttp } from "../delivery/http.js";
import type { Runner, RunnerOptions } from "../delivery/runner.js";
import { createSelect } from "../delivery/select.js";
import { SendingRunner } from "../delivery/sending.js";
import type { Host, Sink, SinkHost, SinkState } from "../plugin/index.js";
import { compileCondition } from "../rules/index.js";
import type { MemoryPlan } from "./memory.js";
import { placed } from "./placed.js";

/** A sink at work, and what it was made of. */
export interface RunningSink {
  readonly loaded: LoadedSink;
  readonly runner: Runner;
  readonly sink: Sink;
  /** Cuts what is in flight and closes the sink and what it uses. */
  close(): Promise<void>;
}

/** What all sinks get from the agent. */
export interface SinkDeps {
  host(name: string, signal: AbortSignal): Host;
  memory: MemoryPlan;
  bodies: BodyMemory;
  /** The state directory. */
  state: string;
  viewLetter: ViewLetter;
  /** Where their configuration stands. */
  place: LoadedConfig["place"];
}

/** A sink that is made, and has not begun. */
export interface MadeSink {
  readonly loaded: LoadedSink;
  /** Begins; a sink with state of its own gets back what was stored. */
  start(state: SinkState | undefined): Promise<RunningSink>;
  /** Lets it go, begun or not. */
  close(): Promise<void>;
}

/** Makes all of them, or throws and leaves none; see {@link makeSink}. */
export async function makeSinks(sinks: readonly LoadedSink[], deps: SinkDeps): Promise<MadeSink[]> {
  const made: MadeSink[] = [];
  try {
    for (const loaded of sinks) made.push(await makeSink(loaded, deps));
  } catch (error) {
    for (const sink of made) await sink.close();
    throw error;
  }
  return made;
}

/** Makes a sink. Throws an AuditshipError if its configuration is wrong in a way that only the sink can tell. */
async function makeSink(loaded: LoadedSink, deps: SinkDeps): Promise<MadeSink> {
  const cut = new AbortController();
  // Each request on its way listens, and there may be more than the ten from which on Node warns of a leak.
  setMaxListeners(0, cut.signal);
  const host = deps.host(loaded.name, cut.signal);
  const closers: (() => Promise<void>)[] = [];
  const options = await placed(deps, ["sinks", loaded.name, "select"], () => runnerOptions(loaded, deps.memory));
  const sink = await loaded.plugin.create(loaded.options, sinkHost(host, closers));
  const close = async () => {
    cut.abort();
    await sink.close?.();
    for (const closer of closers) await closer();
  };
  return {
    loaded,
    close,
    async start(state) {
      let runner: Runner;
      if (sink.mode === "fold") {
        const folding = new FoldingRunner(sink, host, options);
        await folding.begin(state);
        runner = folding;
      } else {
        const deadLetters = new DeadLetters(deps.state, loaded.name, loaded.common.deadLetters, host.meter);
        closers.push(() => deadLetters.close());
        const sending = new SendingRunner(sink, host, options, {
          deadLetters,
          viewLetter: deps.viewLetter,
          bodies: deps.bodies,
        });
        await sending.begin();
        runner = sending;
      }
      const stop = () => {
        runner.close();
        return close();
      };
      return { loaded, runner, sink, close: stop };
    },
  };
}

/** What a sink plugin gets from the host, also outside an agent (`setup`, `check`, `dlq replay`). */
export function sinkHost(host: Host, closers: (() => Promise<void>)[]): SinkHost {
  return {
    ...host,
    condition: (text) => compileCondition(text),
    http(options) {
      const client = createHttp(options, host);
      closers.push(() => client.close());
      return client;
    },
  };
}

function runnerOptions({ common }: LoadedSink, memory: MemoryPlan): RunnerOptions {
  const maxBytes = memory.request(common.request.maxBytes, common.concurrency, common.catchUp === "newest");
  return {
    request: { ...common.request, maxBytes },
    retry: common.retry,
    concurrency: common.concurrency,
    memory: memory.sink,
    compression: common.compression,
    stallAfter: common.stallAfter,
    rate: common.rate,
    catchUp: common.catchUp,
    select: createSelect(common.select, compileCondition),
  };
}
