import { Registry } from "../plugin/registry.js";

/** The plugins that come with auditship. Each module is imported when a configuration names it. */
export function builtins(): Registry {
  const registry = new Registry();
  registry.register("source", "file", async () => (await import("../tail/index.js")).default);
  registry.register("source", "webhook", async () => (await import("../intake/source.js")).default);
  registry.register("stage", "parse", async () => (await import("../../plugins/stages/parse.js")).default);
  registry.register("stage", "workspace", async () => (await import("../../plugins/stages/workspace.js")).default);
  registry.register("stage", "match", async () => (await import("../../plugins/stages/match.js")).default);
  registry.register("stage", "redact", async () => (await import("../../plugins/stages/redact.js")).default);
  registry.register(
    "sink",
    "elasticsearch",
    async () => (await import("../../plugins/sinks/elasticsearch.js")).default,
  );
  registry.register("sink", "alertmanager", async () => (await import("../../plugins/sinks/alertmanager.js")).default);
  registry.register("sink", "webhook", async () => (await import("../../plugins/sinks/webhook.js")).default);
  registry.register("sink", "file", async () => (await import("../../plugins/sinks/file.js")).default);
  registry.register("sink", "stdout", async () => (await import("../../plugins/sinks/stdout.js")).default);
  return registry;
}
