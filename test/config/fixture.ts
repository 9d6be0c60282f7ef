import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import file from "../../plugins/sinks/file.js";
import { loadConfig } from "../../src/config/load.js";
import type { AuditshipError } from "../../src/plugin/error.js";
import { defineSink, defineSource, defineStage, duration, Registry } from "../../src/plugin/index.js";

/** Plugins that take options and do nothing. */
export function registry(): Registry {
  const plugins = new Registry();
  const idle = async () => undefined;
  plugins.register("source", "file", async () =>
    defineSource({
      kind: "source",
      name: "file",
      options: (z) => z.strictObject({ path: z.string(), pin: z.boolean().default(false) }),
      open: () => {
        throw new Error("not opened in these tests");
      },
    }),
  );
  for (const name of ["parse", "match", "redact"]) {
    plugins.register("stage", name, async () =>
      defineStage({ kind: "stage", name, options: (z) => z.strictObject({}), create: () => ({ run: idle }) }),
    );
  }
  plugins.register("stage", "workspace", async () =>
    defineStage({
      kind: "stage",
      name: "workspace",
      options: (z) => z.strictObject({ static: z.record(z.string(), z.string()).default({}) }),
      create: () => ({ run: idle }),
    }),
  );
  const send = (name: string, select: "all" | "alerting") =>
    defineSink({
      kind: "sink",
      name,
      options: (z) =>
        z.strictObject({
          urls: z.array(z.url()).min(1),
          retention: duration().optional(),
          auth: z.strictObject({ tokenFile: z.string().optional() }).optional(),
        }),
      anyOrder: select === "alerting",
      defaults: { select },
      create: () => {
        throw new Error("not created in these tests");
      },
    });
  plugins.register("sink", "elasticsearch", async () => send("elasticsearch", "all"));
  plugins.register("sink", "file", async () => file);
  plugins.register("sink", "alertmanager", async () => send("alertmanager", "alerting"));
  return plugins;
}

/** Loads `text` as a configuration file named config.yaml; the error's lines name it so. */
export async function load(text: string, env: Record<string, string> = {}) {
  const directory = await mkdtemp(join(tmpdir(), "auditship-config-"));
  try {
    const path = join(directory, "config.yaml");
    await writeFile(path, text);
    return { directory, loaded: await loadConfig(path, { env, registry: registry() }) };
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** The lines that loading `text` complains with, without the directory. */
export async function complaints(text: string, env: Record<string, string> = {}): Promise<string[]> {
  try {
    await load(text, env);
  } catch (error) {
    return (error as AuditshipError)
      .line()
      .split("\n")
      .map((line) => line.replace(/^.*config\.yaml/, "config.yaml"));
  }
  return [];
}

/** The smallest configuration; `more` is added to it. */
export const minimal = (more = "") => `sources:
  apiserver:
    path: /var/log/audit.log
sinks:
  archive:
    type: elasticsearch
    urls: [http://es:9200]
${more}`;
