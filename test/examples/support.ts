import { fileURLToPath } from "node:url";
import { z } from "zod";
import { EventBatch } from "../../src/event/index.js";
import { fieldOfPath, type Host, type Plugin, type PluginKind, Registry } from "../../src/plugin/index.js";

const EXAMPLES = fileURLToPath(new URL("../../examples", import.meta.url));

/** Loads an example as a configuration beside it would: by its path. */
export async function loadExample<Kind extends PluginKind>(kind: Kind, path: string) {
  return (await new Registry().load(kind, path, EXAMPLES)) as Extract<Plugin, { kind: Kind }>;
}

/** Options as the host hands them over: checked, with their defaults. */
export const optionsOf = (plugin: Plugin, options: object) => plugin.options(z).parse(options);

/** A host for a plugin under test. */
export function hostOf(parts: Partial<Host> = {}): Host {
  return {
    name: "test",
    log: { debug() {}, info() {}, warn() {}, error() {} },
    meter: { add() {}, set() {}, observe() {} },
    cluster: "test",
    node: "control-1",
    labels: {},
    version: "0.0.0",
    resolve: (path) => path,
    signal: new AbortController().signal,
    now: Date.now,
    field: fieldOfPath,
    ...parts,
  };
}

/** A batch of these lines; objects become JSON. */
export function batchOf(...lines: (object | string)[]): EventBatch {
  const text = lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join("");
  const bytes = Buffer.from(text);
  const batch = new EventBatch({ capacity: bytes.length + 64, documents: { cluster: "", node: "", labels: {} } });
  const file = { fingerprint: "00".repeat(32), id: "AAAAAAAAAAAAAAAA", ordinal: 1, time: 0 };
  batch.load({ bytes, length: bytes.length, file, offset: 0 }, "test");
  return batch;
}
