import { z } from "zod";
import { type LoadedConfig, type LoadedSink, withDefaults } from "../config/load.js";
import { builtins } from "../config/plugins.js";
import { sinkSchema } from "../config/schema.js";
import type { SinkPlugin } from "../plugin/index.js";
import type { Receiver } from "../rules/index.js";

/**
 * The configuration with a sink for each receiver among its rules, unless it turns them off or has a sink of that name itself.
 */
export async function withReceivers(loaded: LoadedConfig, receivers: readonly Receiver[]): Promise<LoadedConfig> {
  if (!loaded.config.rules.receivers) return loaded;
  const sinks = new Map(loaded.sinks.map((sink) => [sink.name, sink]));
  for (const receiver of receivers) {
    if (!sinks.has(receiver.name)) sinks.set(receiver.name, await sinkOf(receiver, loaded.directory));
  }
  return { ...loaded, sinks: [...sinks.values()] };
}

/** What KubeSphere posts to such a receiver, by our sinks and their defaults. */
async function sinkOf({ name, type, url, caBundle }: Receiver, directory: string): Promise<LoadedSink> {
  const plugin = (await builtins().load("sink", type, directory)) as SinkPlugin;
  const target = type === "webhook" ? { url } : { urls: [url] };
  const tls = caBundle === undefined ? {} : { tls: { caBundle } };
  return {
    name,
    plugin,
    options: plugin
      .options(z)
      .strict()
      .parse({ ...target, ...tls, format: "kubesphere" }),
    common: withDefaults(sinkSchema.parse({ type }), plugin),
  };
}
