import { type LoadedConfig, type LoadedSink, loadConfig } from "../config/load.js";
import { createLog } from "../observe/log.js";
import { AuditshipError, fieldOfPath, type Host, type Sink } from "../plugin/index.js";
import { VERSION } from "../version.js";
import { sinkHost } from "./sinks.js";

/** Milliseconds that the far end has for its setup. */
const PATIENCE = 60_000;

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

/**
 * Sets up the far end of each sink that has something to set up, and prints what was done. False if one could not be.
 * @throws AuditshipError AUDITSHIP_USAGE if there is no sink of that name
 */
export async function setUpSinks(
  file: string,
  only: string | undefined,
  print: (line: string) => void,
): Promise<boolean> {
  const loaded = await loadConfig(file);
  let fine = true;
  for (const sink of chooseSinks(loaded, only)) {
    try {
      const done = await withSink(loaded, sink, AbortSignal.timeout(PATIENCE), async (made) =>
        made.setup?.(AbortSignal.timeout(PATIENCE)),
      );
      for (const line of done ?? ["nothing to set up"]) print(`${sink.name}: ${line}`);
    } catch (error) {
      fine = false;
      print(`${sink.name}: failed: ${(error as Error).message}`);
    }
  }
  return fine;
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

function commandHost(loaded: LoadedConfig, name: string, signal: AbortSignal): Host {
  const { cluster, node, labels } = loaded.config;
  const log = createLog({ level: "warn" });
  const meter = { add() {}, set() {}, observe() {} };
  const { resolve } = loaded;
  const now = Date.now;
  return { name, log, meter, cluster, node, labels, version: VERSION, resolve, signal, now, field: fieldOfPath };
}
