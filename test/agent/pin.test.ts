import { appendFile, readdir, rename, rm } from "node:fs/promises";
import { expect, it, vi } from "vitest";
import { added, bundledProgram, Site, simulated, started, text } from "./fixture.js";

const program = bundledProgram();
const lines = simulated(31, 60);
const patience = { timeout: 15_000, interval: 20 };
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

it("a directory on another file system is refused, with what to do", async () => {
  const place = await site({ pin: true, pinDirectory: "/proc/self" });
  await appendFile(place.at("log", "audit.log"), text(lines));
  const agent = program.start(place);
  expect(await agent.exited).not.toBe(0);
  expect(agent.err).toMatch(/AUDITSHIP_SOURCE_PIN/);
  expect(agent.err).toMatch(/pinDirectory/);
});
