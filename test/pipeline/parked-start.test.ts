import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { loadConfig } from "../../src/config/load.js";
import { createLog } from "../../src/observe/log.js";
import { Metrics } from "../../src/observe/meter.js";
import { Agent } from "../../src/pipeline/agent.js";
import { auditLine } from "../support/batches.js";
import { numberOf } from "../support/far-end.js";
import { patience } from "../support/patience.js";

it("An agent starts though an archive cannot be opened, says so, serves the others, and delivers when it can", async () => {
  const directory = await mkdtemp(join(tmpdir(), "auditship-parked-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const at = (name: string) => join(directory, name);
  const archived = async (name: string) =>
    (await readFile(at(name), "utf8").catch(() => ""))
      .split("\n")
      .slice(0, -1)
      .map((line) => numberOf(Buffer.from(line)));
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `${auditLine(from + i)}\n`).join("");
  await writeFile(at("audit.log"), lines(0, 100));
  await writeFile(at("occupied"), "a file where a directory should be");
  const config = {
    sources: { apiserver: { path: "audit.log" } },
    state: "state",
    sinks: {
      healthy: { type: "file", path: "healthy.ndjson" },
      blocked: { type: "file", path: "occupied/archive.ndjson", retry: { initial: "10ms", max: "20ms" } },
    },
    observe: { listen: "none" },
  };
  await writeFile(at("auditship.yaml"), JSON.stringify(config));
  const loaded = await loadConfig(at("auditship.yaml"), { env: {} });
  const log: string[] = [];
  const to = { write: (line: string) => void log.push(line) };
  const start = () =>
    Agent.start(loaded, { once: false, log: createLog({ level: "warn", pretty: false, to }), metrics: new Metrics() });

  const first = await start();
  await vi.waitFor(async () => expect(await archived("healthy.ndjson")).toHaveLength(100), patience);
  expect(log.join("")).toContain("Sink parked");
  expect(log.join("")).toContain("cannot write the archive");
  await first.stop();
  await rm(at("occupied"));
  await writeFile(at("audit.log"), lines(100, 150), { flag: "a" });

  const second = await start();
  onTestFinished(() => second.stop());
  const all = Array.from({ length: 150 }, (_, i) => i);
  await vi.waitFor(async () => expect(await archived("occupied/archive.ndjson")).toEqual(all), patience);
  await vi.waitFor(async () => expect(await archived("healthy.ndjson")).toEqual(all), patience);
  await second.stop();
});

it("An agent starts though one sink's dead letters cannot be opened; /readyz says so, and the sink delivers when they can", async () => {
  const directory = await mkdtemp(join(tmpdir(), "auditship-parked-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const at = (name: string) => join(directory, name);
  await writeFile(at("audit.log"), `${auditLine(1)}\n${auditLine(2)}\n`);
  await writeFile(at("sink.mjs"), COLLECTOR);
  await mkdir(at("state/dead-letters/stuck.ndjson"), { recursive: true });
  const collector = { type: "./sink.mjs", retry: { initial: "10ms", max: "20ms" } };
  const config = {
    sources: { apiserver: { path: "audit.log" } },
    state: "state",
    sinks: { healthy: { ...collector, to: at("healthy") }, stuck: { ...collector, to: at("stuck") } },
    observe: { listen: "127.0.0.1:0" },
  };
  await writeFile(at("auditship.yaml"), JSON.stringify(config));
  const loaded = await loadConfig(at("auditship.yaml"), { env: {} });
  const agent = await Agent.start(loaded, { once: false, log: createLog({ level: "silent" }), metrics: new Metrics() });
  onTestFinished(() => agent.stop());
  const received = (name: string) => readFile(at(name), "utf8").catch(() => "");
  const ready = async () => (await fetch(`${agent.observeUrl}/readyz`)).text();

  await vi.waitFor(async () => expect(await received("healthy")).toBe("2"), patience);
  expect(await ready()).toContain("sink stuck: the dead letters cannot be read or written: EISDIR");
  expect(await (await fetch(`${agent.observeUrl}/metrics`)).text()).toContain('auditship_sink_stuck{sink="stuck"} 1');
  await rm(at("state/dead-letters/stuck.ndjson"), { recursive: true });
  await vi.waitFor(async () => expect(await received("stuck")).toBe("2"), patience);
  await vi.waitFor(async () => expect(await ready()).not.toContain("stuck"), patience);
});

it("An archive that can be opened only later has its first state on disk before its first event", async () => {
  const directory = await mkdtemp(join(tmpdir(), "auditship-parked-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const at = (name: string) => join(directory, name);
  await writeFile(at("audit.log"), `${auditLine(1)}\n`);
  await writeFile(at("occupied"), "");
  await writeFile(at("sink.mjs"), WITNESS);
  const config = {
    sources: { apiserver: { path: "audit.log" } },
    state: "state",
    sinks: {
      witness: {
        type: "./sink.mjs",
        occupied: at("occupied"),
        stored: at("state/sinks/witness.json"),
        seen: at("seen"),
        retry: { initial: "10ms", max: "20ms" },
      },
    },
    observe: { listen: "none" },
  };
  await writeFile(at("auditship.yaml"), JSON.stringify(config));
  const loaded = await loadConfig(at("auditship.yaml"), { env: {} });
  const agent = await Agent.start(loaded, { once: false, log: createLog({ level: "silent" }), metrics: new Metrics() });
  onTestFinished(() => agent.stop());
  await rm(at("occupied"));
  await vi.waitFor(async () => expect(await readFile(at("seen"), "utf8")).toContain('"opened":true'), patience);
});

/** A sink that writes down how many events it was sent. */
const COLLECTOR = `
import { writeFileSync } from "node:fs";
export default {
  kind: "sink", name: "collector",
  options: (zod) => zod.strictObject({ to: zod.string() }),
  create({ to }) {
    let count = 0;
    return {
      mode: "send", ordered: false, gzip: false, async probe() {},
      encode(event, out) { event.writeDocument(out); },
      async send(request) { writeFileSync(to, String((count += request.count))); return { kind: "done" }; },
    };
  },
};`;

/** A sink that cannot be restored while a file is there; notes in `seen`, at its first fold, what is stored of it. */
const WITNESS = `
import { existsSync, readFileSync, writeFileSync } from "node:fs";
export default {
  kind: "sink", name: "witness",
  options: (zod) => zod.strictObject({ occupied: zod.string(), stored: zod.string(), seen: zod.string() }),
  create: ({ occupied, stored, seen }) => ({
    mode: "fold", state: () => ({ opened: true }), async flush() {}, async probe() {},
    restore() { if (existsSync(occupied)) throw new Error("occupied"); },
    fold() { writeFileSync(seen, readFileSync(stored, "utf8")); },
  }),
};`;
