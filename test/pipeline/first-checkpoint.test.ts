import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { loadConfig } from "../../src/config/load.js";
import { createLog } from "../../src/observe/log.js";
import { Metrics } from "../../src/observe/meter.js";
import { Agent } from "../../src/pipeline/agent.js";
import { auditLine } from "../support/batches.js";

/** A sink that notes in `seen`, at its first fold, whether the agent has stored its state. */
const SINK = `
import { existsSync, writeFileSync } from "node:fs";
export default {
  kind: "sink", name: "witness",
  options: (zod) => zod.strictObject({ stored: zod.string(), seen: zod.string() }),
  create: ({ stored, seen }) => ({
    mode: "fold", restore() {}, state: () => ({}), async flush() {}, async probe() {},
    fold() { writeFileSync(seen, String(existsSync(stored))); },
  }),
};`;

it("An agent has started when it is on disk where its sinks begin: what is written from then on is not passed over after a kill", async () => {
  const directory = await mkdtemp(join(tmpdir(), "auditship-first-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const before = `${auditLine(1)}\n${auditLine(2)}\n`;
  await writeFile(join(directory, "audit.log"), before);
  const config = {
    sources: { apiserver: { path: "audit.log", startAt: "end" } },
    state: "state",
    sinks: { first: { type: "file", path: "a.ndjson" }, second: { type: "webhook", url: "http://127.0.0.1:9" } },
    observe: { listen: "none", log: "silent" },
  };
  await writeFile(join(directory, "auditship.yaml"), JSON.stringify(config));
  const loaded = await loadConfig(join(directory, "auditship.yaml"), { env: {} });
  const agent = await Agent.start(loaded, { once: false, log: createLog({ level: "silent" }), metrics: new Metrics() });
  const stored = ["first", "second"].map((sink) => readFileSync(join(directory, `state/sinks/${sink}.json`), "utf8"));
  await agent.stop();
  const offsets = stored.map((text) => JSON.parse(text).body.cursors.apiserver?.offset);
  expect(offsets).toEqual([before.length, before.length]);
});

it("A sink that folds has its first state on disk before its first event, so that a kill in between leaves nothing twice", async () => {
  const directory = await mkdtemp(join(tmpdir(), "auditship-first-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, "audit.log"), `${auditLine(1)}\n`);
  await writeFile(join(directory, "sink.mjs"), SINK);
  const config = {
    sources: { apiserver: { path: "audit.log" } },
    state: "state",
    sinks: {
      witness: {
        type: "./sink.mjs",
        stored: join(directory, "state/sinks/witness.json"),
        seen: join(directory, "seen"),
      },
    },
    observe: { listen: "none", log: "silent" },
  };
  await writeFile(join(directory, "auditship.yaml"), JSON.stringify(config));
  const loaded = await loadConfig(join(directory, "auditship.yaml"), { env: {} });
  const agent = await Agent.start(loaded, { once: true, log: createLog({ level: "silent" }), metrics: new Metrics() });
  await agent.finished;
  await agent.stop();
  expect(await readFile(join(directory, "seen"), "utf8")).toBe("true");
});
