import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { type LoadedConfig, type LoadedStage, loadConfig } from "../config/load.js";
import { builtins } from "../config/plugins.js";
import { openTape } from "../event/index.js";
import { AuditshipError, type Stage, type StagePlugin } from "../plugin/index.js";
import { compileCondition } from "../rules/index.js";
import { commandHost, type Surroundings } from "./command-host.js";

/**
 * The stage `redact` for a command that shows what would leave.
 * @param profile one of the stage's own, or the configuration that has the stage's options. Its key is used where the agent's is at hand,
 * else one for this once: what is hashed is the same, the hashes are not.
 * @throws AuditshipError if the configuration does not load, or has no such stage
 */
export async function createRedaction(profile: string): Promise<Stage> {
  const plugin = (await builtins().load("stage", "redact", process.cwd())) as StagePlugin;
  const known = plugin.options(z).safeParse({ profile });
  if (known.success) {
    const options = known.data as Record<string, unknown>;
    return make({ name: "redact", plugin, options }, { cluster: "", node: "", labels: {}, resolve });
  }
  const redaction = await redactionOf(await loadConfig(profile));
  if (redaction) return redaction;
  throw new AuditshipError("AUDITSHIP_USAGE", "the configuration has no redact stage.", { file: profile });
}

/** The stage `redact` of a configuration, likewise; undefined if it has none. */
export async function redactionOf(loaded: LoadedConfig): Promise<Stage | undefined> {
  const stage = loaded.stages.find(({ plugin }) => plugin.name === "redact");
  if (!stage) return undefined;
  const { state, cluster, node, labels } = loaded.config;
  const own = join(state, "stages", stage.name);
  return make(
    stage,
    { cluster, node, labels, resolve: loaded.resolve },
    existsSync(join(own, "hash.key")) ? own : undefined,
  );
}

async function make(
  { name, plugin, options }: LoadedStage,
  surroundings: Surroundings,
  directory?: string,
): Promise<Stage> {
  const made = directory ?? mkdtempSync(join(tmpdir(), "auditship-"));
  try {
    return await plugin.create(options, {
      ...commandHost(name, { ...surroundings, log: "error" }, new AbortController().signal),
      rules() {
        throw new Error("redact asks for no rules");
      },
      condition: (text) => compileCondition(text),
      openTape,
      watch() {
        throw new Error("redact watches nothing");
      },
      stateDirectory: () => made,
    });
  } finally {
    if (directory === undefined) rmSync(made, { recursive: true });
  }
}
