import type { LoadedSink } from "../config/load.js";
import { DeadLetters } from "../delivery/dead-letters.js";
import { FoldingRunner } from "../delivery/folding.js";
import { createHttp } from "../delivery/http.js";
import type { Runner, RunnerOptions } from "../delivery/runner.js";
import { createSelect } from "../delivery/select.js";
import { SendingRunner, type ViewDocument } from "../delivery/sending.js";
import type { Host, Sink, SinkHost, SinkState } from "../plugin/index.js";
import { compileCondition } from "../rules/index.js";
import type { MemoryPlan } from "./memory.js";

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
  /** The state directory. */
  state: string;
  viewDocument: ViewDocument;
}

/** Makes a sink and its runner; a sink with state of its own gets back what was stored. */
export async function startSink(
  loaded: LoadedSink,
  state: SinkState | undefined,
  deps: SinkDeps,
): Promise<RunningSink> {
  const cut = new AbortController();
  const host = deps.host(loaded.name, cut.signal);
  const closers: (() => Promise<void>)[] = [];
  const sink = await loaded.plugin.create(loaded.options, sinkHost(host, closers));
  const options = runnerOptions(loaded, deps.memory);
  let runner: Runner;
  if (sink.mode === "fold") {
    const folding = new FoldingRunner(sink, host, options);
    await folding.begin(state);
    runner = folding;
  } else {
    const deadLetters = await DeadLetters.open(deps.state, loaded.name, loaded.common.deadLetters, host.meter);
    closers.push(() => deadLetters.close());
    runner = new SendingRunner(sink, host, options, { deadLetters, viewDocument: deps.viewDocument });
  }
  return {
    loaded,
    runner,
    sink,
    async close() {
      runner.close();
      cut.abort();
      await sink.close?.();
      for (const close of closers) await close();
    },
  };
}

/** What a sink plugin gets from the host, also outside an agent (`setup`, `check`, `dlq replay`). */
export function sinkHost(host: Host, closers: (() => Promise<void>)[]): SinkHost {
  return {
    ...host,
    condition: (text) => compileCondition(text),
    http(options) {
      const client = createHttp(options, {
        log: host.log,
        resolve: host.resolve,
        userAgent: `auditship/${host.version}`,
      });
      closers.push(() => client.close());
      return client;
    },
  };
}

function runnerOptions({ common }: LoadedSink, memory: MemoryPlan): RunnerOptions {
  return {
    request: { ...common.request, maxBytes: memory.request(common.request.maxBytes, common.concurrency) },
    retry: common.retry,
    concurrency: common.concurrency,
    compression: common.compression,
    stallAfter: common.stallAfter,
    rate: common.rate,
    select: createSelect(common.select, compileCondition),
  };
}
