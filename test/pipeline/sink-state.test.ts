import type { EventEmitter } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { loadConfig } from "../../src/config/load.js";
import { createLog } from "../../src/observe/log.js";
import { Metrics } from "../../src/observe/meter.js";
import { Agent } from "../../src/pipeline/agent.js";
import { patience } from "../support/patience.js";

/** A sink whose state changes when nothing is folded: when the process is told to, and when it is closed. */
const SINK = `
import { once } from "node:events";
export default {
  kind: "sink", name: "restless",
  options: (zod) => zod.strictObject({}),
  create: () => ({
    mode: "fold", changes: 0, restore() {}, fold() {}, async flush() {},
    state() { return { changes: this.changes }; },
    change() { this.changes++; this.onChange(); },
    async probe() { await once(process, "restless"); this.change(); },
    close() { this.change(); },
  }),
};`;

it("What a sink's state has new without a fold is written down, but not after its last word", async () => {
  const directory = await mkdtemp(join(tmpdir(), "auditship-state-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, "audit.log"), "");
  await writeFile(join(directory, "sink.mjs"), SINK);
  const config = {
    sources: { apiserver: { path: "audit.log" } },
    state: "state",
    sinks: { restless: { type: "./sink.mjs" } },
    observe: { listen: "none", log: "silent" },
  };
  await writeFile(join(directory, "auditship.yaml"), JSON.stringify(config));
  const loaded = await loadConfig(join(directory, "auditship.yaml"), { env: {} });
  const agent = await Agent.start(loaded, { once: false, log: createLog({ level: "silent" }), metrics: new Metrics() });
  onTestFinished(() => agent.stop());
  const changes = async () => {
    const { body } = JSON.parse(await readFile(join(directory, "state/sinks/restless.json"), "utf8"));
    return body.state.changes;
  };
  expect(await changes()).toBe(0);
  (process as EventEmitter).emit("restless");
  await vi.waitFor(async () => expect(await changes()).toBe(1), patience);
  await agent.stop();
  expect(await changes()).toBe(1);
});
