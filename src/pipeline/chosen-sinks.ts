import type { LoadedConfig, LoadedSink } from "../config/load.js";
import { createLog } from "../observe/log.js";
import { AuditshipError, fieldOfPath, type Host, type Sink } from "../plugin/index.js";
import { VERSION } from "../version.js";
import { sinkHost } from "./sinks.js";

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
  const sink = await plugin.create(options, sinkHost(commandHost(loaded, name, signal), closers));
  try {
    return await work(sink);
  } finally {
    await sink.close?.();
    for (const close of closers) await close();
  }
}

function commandHost(loaded: LoadedConfig, name: string, signal: AbortSignal): Host {
  const { cluster, node, labels } = loaded.config;
  const log = createLog({ level: "warn" });
  const meter = { add() {}, set() {}, observe() {} };
  const { resolve } = loaded;
  const now = Date.now;
  return { name, log, meter, cluster, node, labels, version: VERSION, resolve, signal, now, field: fieldOfPath };
}
