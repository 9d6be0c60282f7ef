import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { AuditshipError } from "./error.js";
import type { SinkPlugin } from "./sink.js";
import type { SourcePlugin } from "./source.js";
import type { StagePlugin } from "./stage.js";

export type Plugin = SourcePlugin | StagePlugin | SinkPlugin;
export type PluginKind = Plugin["kind"];

/** Loads a plugin's module; its libraries are imported with it, so only when the configuration uses it. */
type Load = () => Promise<Plugin>;

/** The plugins that a configuration may name: the built-in ones by name, others by package or path. */
export class Registry {
  readonly #loaders = new Map<string, Load>();

  register(kind: PluginKind, name: string, load: Load): void {
    this.#loaders.set(`${kind}:${name}`, load);
  }

  /** Names registered for a kind. */
  names(kind: PluginKind): string[] {
    return [...this.#loaders.keys()]
      .filter((key) => key.startsWith(`${kind}:`))
      .map((key) => key.slice(kind.length + 1));
  }

  /**
   * The plugin that `type` names: a registered name, a path (`./x.mjs`, absolute, or relative to `directory`), or a package
   * resolved from `directory`. Its default export must be a plugin of this kind.
   */
  async load(kind: PluginKind, type: string, directory: string): Promise<Plugin> {
    const builtin = this.#loaders.get(`${kind}:${type}`);
    const plugin = builtin ? await builtin() : await loadForeign(kind, type, directory, this.names(kind));
    if (plugin?.kind !== kind || typeof plugin.name !== "string" || typeof plugin.options !== "function") {
      throw new AuditshipError(
        "AUDITSHIP_PLUGIN_LOAD",
        `${type}: its default export is no ${kind} plugin; export default define${kind[0].toUpperCase()}${kind.slice(1)}({…}).`,
      );
    }
    return plugin;
  }
}

async function loadForeign(kind: PluginKind, type: string, directory: string, known: string[]): Promise<Plugin> {
  try {
    const target = await foreignUrl(type, directory);
    return ((await import(target)) as { default: Plugin }).default;
  } catch (cause) {
    throw new AuditshipError(
      "AUDITSHIP_PLUGIN_LOAD",
      `cannot load ${kind} "${type}": ${(cause as Error).message.split("\n")[0]}. Built in are ${known.join(", ")}; else give a package or a path (./…).`,
      {},
      { cause },
    );
  }
}

async function foreignUrl(type: string, directory: string): Promise<string> {
  if (type.startsWith(".") || isAbsolute(type)) return pathToFileURL(resolve(directory, type)).href;
  const { createRequire } = await import("node:module");
  return pathToFileURL(createRequire(resolve(directory, "auditship.yaml")).resolve(type)).href;
}
