import { createLog, type LogLevel } from "../observe/log.js";
import { fieldOfPath, type Host } from "../plugin/index.js";
import { VERSION } from "../version.js";

/** What a plugin is told of where it runs. */
export interface Surroundings extends Pick<Host, "cluster" | "node" | "labels" | "resolve"> {
  log?: LogLevel;
}

/** The host of a plugin that no agent runs: nothing is counted. */
export function commandHost(name: string, surroundings: Surroundings, signal: AbortSignal): Host {
  const { cluster, node, labels, resolve, log = "warn" } = surroundings;
  const meter = { add() {}, set() {}, observe() {} };
  const [version, now, field] = [VERSION, Date.now, fieldOfPath];
  return { name, log: createLog({ level: log }), meter, cluster, node, labels, version, resolve, signal, now, field };
}
