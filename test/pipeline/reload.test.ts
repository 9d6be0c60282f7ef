import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { loadConfig } from "../../src/config/load.js";
import { createLog } from "../../src/observe/log.js";
import { Metrics } from "../../src/observe/meter.js";
import { Agent } from "../../src/pipeline/agent.js";
import { auditLine } from "../support/batches.js";
import { patience } from "../support/patience.js";

let directory: string;
let said: string[];
const at = (name: string) => join(directory, name);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-reload-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  said = [];
});

const archive = { type: "file", path: "archive.ndjson" };
const workspace = (name: string) => ({ workspace: { static: { shop: name } } });

/** A sink that takes its first request at once, and the others when they are cut. */
const LATE = `
import { once } from "node:events";
export default {
  kind: "sink", name: "late",
  options: (zod) => zod.strictObject({}),
  create() {
    let requests = 0;
    return {
      mode: "send", ordered: false, gzip: false, async probe() {},
      encode(event, out) { event.writeDocument(out); },
      async send(_, signal) {
        if (requests++ > 0) await once(signal, "abort");
        return { kind: "done" };
      },
    };
  },
};`;

/** A stage of which the test knows how many there are. */
const COUNTED = `
export default {
  kind: "stage", name: "counted",
  options: (zod) => zod.strictObject({}),
  create() {
    globalThis.countedStages++;
    return { run() {}, close() { globalThis.countedStages--; } };
  },
};`;

/** A sink whose second fold, and what follows, ends as it is closed. */
const HANGING = `
export default {
  kind: "sink", name: "hanging",
  options: (zod) => zod.strictObject({}),
  create() {
    let folds = 0;
    let end;
    const closed = new Promise((resolve) => { end = resolve; });
    return {
      mode: "fold", restore() {}, state: () => ({ folds }), async flush() {}, async probe() {}, close: () => end(),
      async fold() { if (folds++ > 0) await closed; },
    };
  },
};`;

/** A configuration, loaded. */
async function config(changes: object = {}) {
  const whole = {
    sources: { apiserver: { path: "audit.log" } },
    state: "state",
    cluster: "one",
    stages: ["parse", workspace("red"), "redact"],
    sinks: { archive },
    observe: { listen: "none" },
    ...changes,
  };
  await writeFile(at("auditship.yaml"), JSON.stringify(whole));
  return loadConfig(at("auditship.yaml"), { env: {} });
}

async function start(sinks: object = { archive }): Promise<Agent> {
  await writeFile(at("audit.log"), "");
  const log = createLog({ level: "info", pretty: false, to: { write: (line: string) => void said.push(line) } });
  const agent = await Agent.start(await config({ sinks }), { once: false, log, metrics: new Metrics() });
  onTestFinished(() => agent.stop());
  return agent;
}

/** Writes an event; its document in the archive. */
let written = 0;
async function document(): Promise<{ auditship: Record<string, unknown> }> {
  const line = auditLine(++written, { objectRef: { resource: "pods", namespace: "shop" } });
  const { auditID } = JSON.parse(line);
  await appendFile(at("audit.log"), `${line}\n`);
  return vi.waitFor(async () => {
    const lines = (await readFile(at("archive.ndjson"), "utf8")).trim().split("\n");
    const own = lines.filter((line) => line.includes(auditID));
    expect(own).toHaveLength(1);
    return JSON.parse(own[0]);
  }, patience);
}

const count = (text: string) => said.filter((line) => line.includes(text)).length;

describe("a reload", () => {
  it("takes stages over when they have changed, and else leaves them alone", async () => {
    const agent = await start();
    expect((await document()).auditship.workspace).toBe("red");
    await agent.reload(await config());
    await agent.reload(await config({ sinks: { archive, second: { type: "file", path: "second.ndjson" } } }));
    expect(count("redact has no hash.keyFile")).toBe(1);
    await agent.reload(await config({ stages: ["parse", workspace("blue"), "redact"] }));
    expect((await document()).auditship.workspace).toBe("blue");
  });

  it("says what needs a restart, and leaves that as it was", async () => {
    const agent = await start();
    await agent.reload(await config({ cluster: "two", state: "elsewhere", maxLine: "1MiB" }));
    const keys = said.map((line) => JSON.parse(line)).filter(({ msg }) => msg.includes("after a restart"));
    expect(keys.map(({ key }) => key)).toEqual(["state", "cluster", "maxLine"]);
    await agent.reload(await config({ cluster: "two", sinks: { archive: { ...archive, maxBackups: 9 } } }));
    expect((await document()).auditship.cluster).toBe("one");
  });

  it.each([
    ["a sink whose condition has an error", { sinks: { archive: { ...archive, select: "Verb = (" } } }],
    [
      "a sink that does not take its options",
      {
        cluster: "",
        sinks: { archive: { type: "elasticsearch", urls: ["http://127.0.0.1:9"], index: "audit-{nonsense}" } },
      },
    ],
    ["a sink for what no rule archives", { sinks: { archive: { ...archive, select: "archived" } } }],
    ["a stage that cannot be made", { stages: ["parse", { redact: { hash: { keyFile: "none" } } }] }],
  ])("with %s is refused, and everything goes on as it was", async (_, changes) => {
    const agent = await start();
    await document();
    await expect(config(changes).then((loaded) => agent.reload(loaded))).rejects.toThrow();
    expect((await document()).auditship.workspace).toBe("red");
    await agent.reload(await config());
    expect((await document()).auditship.workspace).toBe("red");
  });

  it("keeps a sink that stops while it is under way", async () => {
    const gate = Object.assign(globalThis, { makeStage: async () => {} });
    const gone = { kind: "stop", reason: "gone" };
    await writeFile(
      at("gone.mjs"),
      `${LATE.replace("late", "gone").replace('{ kind: "done" }', JSON.stringify(gone))}`,
    );
    await writeFile(
      at("gated.mjs"),
      COUNTED.replace("counted", "gated").replace("create() {", "async create() { await makeStage();"),
    );
    const sinks = { archive, gone: { type: "./gone.mjs" } };
    const agent = await start(sinks);
    const states = () => (agent.status() as { sinks: { name: string; state: string }[] }).sinks;
    gate.makeStage = async () => {
      await document();
      await expect.poll(states).toContainEqual(expect.objectContaining({ name: "gone", state: "stopped" }));
    };
    await agent.reload(await config({ sinks, stages: ["parse", workspace("red"), "./gated.mjs", "redact"] }));
    expect(states().map(({ name }) => name)).toEqual(["archive", "gone"]);
  });

  it("that is refused closes the stages that it made before the one that cannot be made", async () => {
    await writeFile(at("counted.mjs"), COUNTED);
    const counter = Object.assign(globalThis, { countedStages: 0 });
    const agent = await start();
    const stages = (keyFile: string) => ["parse", "./counted.mjs", { redact: { hash: { keyFile } } }];
    await expect(config({ stages: stages("none") }).then((loaded) => agent.reload(loaded))).rejects.toThrow();
    expect(counter.countedStages).toBe(0);
    await writeFile(at("hash.key"), "0123456789abcdef");
    await agent.reload(await config({ stages: stages("hash.key") }));
    expect(counter.countedStages).toBe(1);
    await agent.stop();
    expect(counter.countedStages).toBe(0);
  });

  it("keeps the cursor of a sink that it removes, whatever the far end takes as it is cut off", async () => {
    await writeFile(at("late.mjs"), LATE);
    const late = { type: "./late.mjs" };
    const agent = await start({ archive, late });
    await document();
    const cursor = async () => {
      const { body } = JSON.parse(await readFile(at("state/sinks/late.json"), "utf8"));
      return body.cursors.apiserver?.offset;
    };
    await vi.waitFor(async () => expect(await cursor()).toBeGreaterThan(0), patience);
    const taken = await cursor();
    await document();
    await agent.reload(await config({ shutdownTimeout: "1ms" }));
    await agent.stop();
    expect(await cursor()).toBe(taken);
  });

  it("keeps the cursor of a sink that it removes though that was too busy to be written down, and others are", async () => {
    await writeFile(at("hanging.mjs"), HANGING);
    const agent = await start({ archive, hanging: { type: "./hanging.mjs" } });
    await document();
    const cursor = async () => {
      const { body } = JSON.parse(await readFile(at("state/sinks/hanging.json"), "utf8"));
      return body.cursors.apiserver?.offset;
    };
    await vi.waitFor(async () => expect(await cursor()).toBeGreaterThan(0), patience);
    const taken = await cursor();
    await document();
    const reloading = agent.reload(await config({ shutdownTimeout: "1ms" }));
    // What the archive takes is written down next, right when the other is done with.
    await document();
    await reloading;
    await agent.stop();
    expect(await cursor()).toBeGreaterThanOrEqual(taken);
  });

  it("that has begun is over before the agent has stopped, and none begins then", async () => {
    const agent = await start();
    await document();
    const second = await config({ sinks: { archive, second: { type: "file", path: "second.ndjson" } } });
    const reloading = agent.reload(second);
    await agent.stop();
    await reloading;
    await agent.reload(second);
    const messages = said.map((line) => JSON.parse(line).msg);
    expect(messages.at(-1)).toBe("Agent stopped.");
    expect(await readdir(at("state"))).not.toContain("control.sock");
  });
});
