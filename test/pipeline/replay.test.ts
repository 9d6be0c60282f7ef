import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { listDeadLetters, replayDeadLetters } from "../../src/commands/dead-letters.js";
import { loadConfig } from "../../src/config/load.js";
import { createLog } from "../../src/observe/log.js";
import { Metrics } from "../../src/observe/meter.js";
import { Agent } from "../../src/pipeline/agent.js";
import { auditLine } from "../support/batches.js";
import { patience } from "../support/patience.js";

/** Refuses everything while there is a file `refuse`; writes down the ids of what it takes. */
const SINK = `
import { appendFileSync, existsSync } from "node:fs";
export default {
  kind: "sink", name: "picky",
  options: (zod) => zod.strictObject({}),
  create: (_, host) => ({
    mode: "send", ordered: false, gzip: false, async probe() {},
    encode(event, out) { event.writeId(out); out.byte(10); },
    async send(request) {
      if (existsSync(host.resolve("refuse"))) return { kind: "reject", reason: "a wrong mapping" };
      appendFileSync(host.resolve("taken"), request.body);
      return { kind: "done" };
    },
  }),
};`;

it("Dead letters hold no secret that the stages have taken out", async () => {
  const directory = await mkdtemp(join(tmpdir(), "auditship-replay-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const at = (name: string) => join(directory, name);
  const secret = Buffer.from("a password that nobody may read").toString("base64");
  const event = JSON.parse(auditLine(1));
  event.objectRef = { resource: "secrets", namespace: "shop", name: "db", apiVersion: "v1" };
  event.requestObject = { kind: "Secret", apiVersion: "v1", data: { password: secret } };
  await writeFile(at("audit.log"), `${JSON.stringify(event)}\n`);
  await writeFile(at("refuse"), "");
  await writeFile(at("sink.mjs"), SINK);
  const sinks = { picky: { type: "./sink.mjs" } };
  const config = { sources: { apiserver: { path: "audit.log" } }, state: "state", sinks, observe: { listen: "none" } };
  await writeFile(at("auditship.yaml"), JSON.stringify(config));
  const loaded = await loadConfig(at("auditship.yaml"), { env: {} });
  const agent = await Agent.start(loaded, { once: true, log: createLog({ level: "silent" }), metrics: new Metrics() });
  expect(await agent.finished).toEqual({ failed: false });
  const kept = await readFile(at("state/dead-letters/picky.ndjson"), "utf8");
  expect(JSON.parse(kept).line.auditID).toBe(event.auditID);
  expect(kept).not.toContain(secret);
});

it("Dead letters are replayed beside a running agent, which goes on with its own, and again after it has ended", async () => {
  const directory = await mkdtemp(join(tmpdir(), "auditship-replay-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const at = (name: string) => join(directory, name);
  const config = {
    sources: { apiserver: { path: "audit.log", poll: "20ms" } },
    state: "state",
    stages: ["parse"],
    sinks: { picky: { type: "./sink.mjs" } },
    observe: { listen: "none" },
  };
  await writeFile(at("sink.mjs"), SINK);
  await writeFile(at("auditship.yaml"), JSON.stringify(config));
  const refuse = () => writeFile(at("refuse"), "");
  const mend = () => rm(at("refuse"));
  const listed = async () => {
    const ids: string[] = [];
    await listDeadLetters(at("auditship.yaml"), {}, (line) => void ids.push(line.split("  ")[2]));
    return ids.filter((id) => id !== undefined);
  };
  const replay = () => replayDeadLetters(at("auditship.yaml"), {}, () => {});
  const taken = async () => (await readFile(at("taken"), "utf8")).trim().split("\n");

  await refuse();
  await writeFile(at("audit.log"), `${auditLine(1)}\n${auditLine(2)}\n`);
  const metrics = new Metrics();
  const loaded = await loadConfig(at("auditship.yaml"), { env: {} });
  const agent = await Agent.start(loaded, { once: false, log: createLog({ level: "silent" }), metrics });
  onTestFinished(() => agent.stop());
  await vi.waitFor(async () => expect(await listed()).toHaveLength(2), patience);
  const first = await listed();
  expect(await replay()).toEqual({ left: 2 });

  await mend();
  expect(await replay()).toEqual({ left: 0 });
  expect([await taken(), await listed()]).toEqual([first, []]);

  await refuse();
  await appendFile(at("audit.log"), `${auditLine(3)}\n`);
  await vi.waitFor(async () => expect(await listed()).toHaveLength(1), patience);
  // It is counted when it is known to be on disk.
  await vi.waitFor(() => expect(metrics.get("auditship_dead_letters", "picky")).toBe(1), patience);
  const second = await listed();
  await agent.stop();
  await mend();
  expect(await replay()).toEqual({ left: 0 });
  expect(await replay()).toEqual({ left: 0 });
  expect([await taken(), await listed()]).toEqual([[...first, ...second], []]);
});
