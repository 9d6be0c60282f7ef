import { type LoadedConfig, type LoadedSink, loadConfig } from "../config/load.js";
import { withReceivers } from "../pipeline/receivers.js";
import { sinkHost } from "../pipeline/sinks.js";
import { AuditshipError, type Sink } from "../plugin/index.js";
import { loadRules } from "../rules/index.js";
import { commandHost } from "./command-host.js";

/** A configuration with all of its sinks, those of receivers among its rules too. */
export async function loadAllSinks(file: string): Promise<LoadedConfig> {
  const loaded = await loadConfig(file);
  const { receivers } = await loadRules(loaded.config.rules);
  return withReceivers(loaded, receivers);
}

/** All sinks, or the one of that name. */
export function chooseSinks(loaded: LoadedConfig, only: string | undefined): LoadedSink[] {
  const chosen = loaded.sinks.filter(({ name }) => only === undefined || name === only);
  if (chosen.length > 0) return chosen;
  const known = loaded.sinks.map(({ name }) => name).join(", ");
  throw new AuditshipError("AUDITSHIP_USAGE", `the configuration has no sink ${only}; it has ${known}.`, {
    file: loaded.path,
  });
}

/** Runs `work` with a sink that no agent runs, and closes it. For commands that talk to a far end once. */
export async function withSink<Result>(
  loaded: LoadedConfig,
  { name, plugin, options }: LoadedSink,
  signal: AbortSignal,
  work: (sink: Sink) => Promise<Result>,
): Promise<Result> {
  const closers: (() => Promise<void>)[] = [];
  const host = commandHost(name, { ...loaded.config, resolve: loaded.resolve }, signal);
  const sink = await plugin.create(options, sinkHost(host, closers));
  try {
    return await work(sink);
  } finally {
    await sink.close?.();
    for (const close of closers) await close();
  }
}
