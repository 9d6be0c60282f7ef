import { existsSync, readFileSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { loadConfig } from "../../src/config/load.js";
import { createLog } from "../../src/observe/log.js";
import { Metrics } from "../../src/observe/meter.js";
import { Agent } from "../../src/pipeline/agent.js";
import { auditLine } from "../support/batches.js";
import { patience } from "../support/patience.js";
import { freePort } from "../support/ports.js";

/** A sink whose state is its place; it notes in `seen`, at a fold, which one the agent has stored. */
const SINK = `
import { readFileSync, writeFileSync } from "node:fs";
export default {
  kind: "sink", name: "witness",
  options: (zod) => zod.strictObject({ place: zod.string(), stored: zod.string(), seen: zod.string() }),
  create: ({ place, stored, seen }) => ({
    mode: "fold", restore() {}, state: () => ({ place }), async flush() {}, async probe() {},
    fold() { writeFileSync(seen, JSON.parse(readFileSync(stored, "utf8")).body.state.place); },
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

it("A sink that folds has on disk where it begins before an event, also in a new place, so that a kill in between leaves nothing twice", async () => {
  const directory = await mkdtemp(join(tmpdir(), "auditship-first-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const [stored, seen] = [join(directory, "state/sinks/witness.json"), join(directory, "seen")];
  await writeFile(join(directory, "sink.mjs"), SINK);
  for (const place of ["here", "there"]) {
    await appendFile(join(directory, "audit.log"), `${auditLine(1)}\n`);
    const config = {
      sources: { apiserver: { path: "audit.log" } },
      state: "state",
      sinks: { witness: { type: "./sink.mjs", place, stored, seen } },
      observe: { listen: "none", log: "silent" },
    };
    await writeFile(join(directory, "auditship.yaml"), JSON.stringify(config));
    const loaded = await loadConfig(join(directory, "auditship.yaml"), { env: {} });
    const agent = await Agent.start(loaded, {
      once: true,
      log: createLog({ level: "silent" }),
      metrics: new Metrics(),
    });
    await agent.finished;
    await agent.stop();
    expect(await readFile(seen, "utf8")).toBe(place);
  }
});

/** A sink that posts an event when it gets its state back, and notes the answer; and how many events it folds. */
const POSTER = `
import { appendFileSync } from "node:fs";
export default {
  kind: "sink", name: "poster",
  options: (zod) => zod.strictObject({ url: zod.string(), answers: zod.string(), folded: zod.string() }),
  create: ({ url, answers, folded }) => ({
    mode: "fold", state: () => ({}), async flush() {}, async probe() {},
    async restore() {
      const answer = await fetch(url, { method: "POST", body: '{"items":[{"auditID":"early"}]}' });
      appendFileSync(answers, answer.status + " after " + answer.headers.get("retry-after"));
    },
    fold(events) { if (events.count > 0) appendFileSync(folded, String(events.count)); },
  }),
};`;

it("A webhook source takes nothing before it is on disk where its sinks begin: one that begins at the end would pass it over", async () => {
  const directory = await mkdtemp(join(tmpdir(), "auditship-first-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const at = (name: string) => join(directory, name);
  const url = `http://127.0.0.1:${await freePort()}/`;
  await writeFile(at("sink.mjs"), POSTER);
  const config = {
    sources: { posted: { type: "webhook", listen: new URL(url).host, auth: "none", startAt: "end" } },
    state: "state",
    sinks: { poster: { type: "./sink.mjs", url, answers: at("answers"), folded: at("folded") } },
    observe: { listen: "none" },
  };
  await writeFile(at("auditship.yaml"), JSON.stringify(config));
  const loaded = await loadConfig(at("auditship.yaml"), { env: {} });
  const agent = await Agent.start(loaded, { once: false, log: createLog({ level: "silent" }), metrics: new Metrics() });
  onTestFinished(() => agent.stop());
  expect(await readFile(at("answers"), "utf8")).toBe("503 after 1");
  const answer = await fetch(url, { method: "POST", body: '{"items":[{"auditID":"late"}]}' });
  expect(answer.status).toBe(200);
  await vi.waitFor(async () => expect(await readFile(at("folded"), "utf8")).toBe("1"), patience);
});

it("An agent whose state directory has no room begins when it has: it has not started, is not ready, and a sink that folds waits", async () => {
  const directory = await mkdtemp(join(tmpdir(), "auditship-first-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const at = (...names: string[]) => join(directory, ...names);
  await writeFile(at("audit.log"), `${auditLine(1)}\n`);
  const config = {
    sources: { apiserver: { path: "audit.log" } },
    state: "state",
    sinks: { local: { type: "file", path: "out.ndjson", retry: { initial: "1ms", max: "10ms" } } },
    observe: { listen: "127.0.0.1:0" },
  };
  await writeFile(at("auditship.yaml"), JSON.stringify(config));
  // Where the state is written to before it is renamed; the same for all users, root too.
  for (const file of ["sources/apiserver.json.tmp", "sinks/local.json.tmp"])
    await mkdir(at("state", file), { recursive: true });
  const said: string[] = [];
  const log = createLog({
    level: "info",
    pretty: false,
    to: { write: (line) => void said.push(JSON.parse(line).msg) },
  });
  const loaded = await loadConfig(at("auditship.yaml"), { env: {} });
  const agent = await Agent.start(loaded, { once: false, log, metrics: new Metrics() });
  onTestFinished(() => agent.stop());
  const ready = async () => {
    const answer = await fetch(`${agent.observeUrl}/readyz`);
    return [answer.status, await answer.text()] as const;
  };
  await vi.waitFor(() => expect(said).toContain("Sink does not take events; retrying."), { timeout: 10_000 });
  expect(said).not.toContain("Agent started.");
  const [status, reasons] = await ready();
  expect(status).toBe(503);
  expect(reasons).toContain("agent: where its sinks begin is not written down yet");
  expect(reasons).toMatch(/^state: .*the state directory cannot be used: EISDIR/m);
  expect(existsSync(at("out.ndjson")) && readFileSync(at("out.ndjson"), "utf8")).toBeFalsy();

  for (const file of ["sources/apiserver.json.tmp", "sinks/local.json.tmp"]) await rmdir(at("state", file));
  await vi.waitFor(() => expect(readFileSync(at("out.ndjson"), "utf8")).toContain("000000000001"), { timeout: 10_000 });
  await vi.waitFor(async () => expect(await ready()).toEqual([200, "ok\n"]), { timeout: 10_000 });
  expect(said.indexOf("State is written again.")).toBeGreaterThan(0);
  expect(said.filter((message) => message === "Agent started.")).toHaveLength(1);
  expect(said.filter((message) => message.startsWith("Cannot write state"))).toHaveLength(2);
});
