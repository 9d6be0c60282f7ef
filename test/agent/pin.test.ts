import { appendFile, readdir, rename, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { expect, it, vi } from "vitest";
import type { Program } from "../cli/fixture.js";
import { patience } from "../support/patience.js";
import { serve } from "../support/serve.js";
import { added, bundledProgram, Site, simulated, started, text } from "./fixture.js";

const program = bundledProgram();
const lines = simulated(31, 60);
const backup = "audit-2026-11-21T09-00-00.000.log";

async function site(source: object): Promise<Site> {
  const made = await Site.make();
  await made.configure({
    sources: { apiserver: { path: "log/audit.log", ...source } },
    sinks: { archive: { type: "file", path: "archive.ndjson" } },
  });
  return made;
}

it("what rotation deleted while the agent was dead is read where it is pinned", async () => {
  const place = await site({ pin: true });
  const log = place.at("log", "audit.log");
  await appendFile(log, text(lines.slice(0, 20)));
  const agent = program.start(place);
  await started(agent);
  await vi.waitFor(async () => expect(await place.archive("archive.ndjson")).toHaveLength(20), patience);
  agent.child.kill("SIGKILL");
  await agent.exited;
  await appendFile(log, text(lines.slice(20, 40)));
  await rename(log, place.at("log", backup));
  await rm(place.at("log", backup));
  await appendFile(log, text(lines.slice(40)));

  const again = program.start(place);
  const { metric } = await started(again);
  await vi.waitFor(async () => expect(await place.archive("archive.ndjson")).toHaveLength(60), patience);
  (await place.archive("archive.ndjson")).forEach((line, index) => void added(line, lines[index]));
  expect(await metric("auditship_bytes_lost_total")).toEqual({});
  const spool = place.at("log", ".auditship-apiserver");
  await vi.waitFor(async () => expect(await readdir(spool)).toHaveLength(1), patience);
  expect(await metric("auditship_pinned_bytes")).toEqual({ '{source="apiserver"}': 0 });
});

/** A webhook's far end that takes nothing before it is well; the ids of the events that it took. */
async function hook(): Promise<{ url: string; well: boolean; taken: Set<string> }> {
  const far = { url: "", well: false, taken: new Set<string>() };
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    if (far.well && body !== "") for (const { auditship } of JSON.parse(body).items) far.taken.add(auditship.id);
    response.writeHead(far.well ? 200 : 503).end();
  });
  far.url = await serve(server);
  return far;
}

it.each<[string, (place: Site, agent: Program, configure: (changes: object) => Promise<void>) => Promise<Program>]>([
  [
    "a reload makes a sink anew",
    async (_, agent, configure) => {
      await configure({ hook: { request: { maxEvents: 7 } } });
      agent.child.kill("SIGHUP");
      await agent.until(({ err }) => err.includes("Configuration reloaded."));
      return agent;
    },
  ],
  [
    "an agent starts with a sink that is new",
    async (place, agent, configure) => {
      agent.child.kill("SIGTERM");
      await agent.exited;
      await configure({ other: { type: "file", path: "other.ndjson" } });
      return program.start(place);
    },
  ],
])("what is pinned for a sink that is behind stays pinned when %s", async (_, change) => {
  const far = await hook();
  const place = await Site.make();
  const common = { type: "webhook", url: far.url, select: "all", startAt: "beginning", retry: { max: "100ms" } };
  const configure = ({ hook: more = {}, ...others }: { hook?: object } = {}) =>
    place.configure({
      sources: { apiserver: { path: "log/audit.log", pin: true } },
      sinks: { archive: { type: "file", path: "archive.ndjson" }, hook: { ...common, ...more }, ...others },
    });
  await configure();
  const log = place.at("log", "audit.log");
  await appendFile(log, text(lines.slice(0, 20)));
  const agent = program.start(place);
  await started(agent);
  const archived = (count: number) =>
    vi.waitFor(async () => expect(await place.archive("archive.ndjson")).toHaveLength(count), patience);
  await archived(20);
  await rename(log, place.at("log", backup));
  await appendFile(log, text(lines.slice(20, 40)));
  await archived(40);
  await rm(place.at("log", backup));
  const changed = await change(place, agent, configure);
  const { metric } = await started(changed);
  await appendFile(log, text(lines.slice(40)));
  await archived(60);
  far.well = true;
  await vi.waitFor(() => expect(far.taken.size).toBe(60), patience);
  expect(await metric("auditship_bytes_lost_total")).toEqual({});
});

it("a directory on another file system is refused, with what to do", async () => {
  const place = await site({ pin: true, pinDirectory: "/proc/self" });
  await appendFile(place.at("log", "audit.log"), text(lines));
  const agent = program.start(place);
  expect(await agent.exited).not.toBe(0);
  expect(agent.err).toMatch(/AUDITSHIP_SOURCE_PIN/);
  expect(agent.err).toMatch(/pinDirectory/);
});
