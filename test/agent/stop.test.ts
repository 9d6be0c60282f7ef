import { execFileSync } from "node:child_process";
import { appendFile, open, readFile, rename, writeFile } from "node:fs/promises";
import { expect, it, onTestFinished } from "vitest";
import { type BulkServer, startBulkServer } from "../support/bulk-server.js";
import { bundledProgram, Site, simulated, text } from "./fixture.js";

const program = bundledProgram();
const lines = simulated(7, 600);

/** A site whose events go to a server in requests of a hundred, and to a file. */
async function siteWith(server: BulkServer, shutdownTimeout: string): Promise<Site> {
  onTestFinished(() => server.close());
  const site = await Site.make();
  await writeFile(site.at("log", "audit.log"), text(lines.slice(0, 300)));
  await site.configure({
    shutdownTimeout,
    sinks: {
      search: { type: "elasticsearch", urls: [server.url], request: { maxEvents: 100 } },
      archive: { type: "file", path: "archive.ndjson" },
    },
  });
  return site;
}

/** Resolves when a bulk request is there; what comes is answered by `script`. */
function inFlight(server: BulkServer, script: BulkServer["script"]): Promise<void> {
  return new Promise((resolve) => {
    server.script = (request) => {
      resolve();
      return script(request);
    };
  });
}

async function expectEachOnce(site: Site, server: BulkServer): Promise<void> {
  expect(server.stored.size).toBe(lines.length);
  const ids = (documents: Iterable<string>) =>
    [...documents].map((document) => JSON.parse(document)).map(({ auditID, stage }) => `${auditID} ${stage}`);
  const expected = ids(lines).sort();
  expect(ids([...server.stored.values()].map(String)).sort()).toEqual(expected);
  expect(ids(await site.archive("archive.ndjson")).sort()).toEqual(expected);
}

it("SIGTERM waits for the answer to what is in flight: nothing of it is sent again", async () => {
  const server = await startBulkServer();
  const site = await siteWith(server, "15s");
  const sent = inFlight(server, () => ({ do: "store", late: 700 }));
  const agent = program.start(site);
  await sent;
  agent.child.kill("SIGTERM");
  expect(await agent.exited, agent.err).toBe(0);
  server.script = () => ({ do: "store" });
  await appendFile(site.at("log", "audit.log"), text(lines.slice(300)));
  const next = program.start(site, "--once");
  expect(await next.exited, next.err).toBe(0);
  await expectEachOnce(site, server);
  expect([...server.sent.values()].filter((times) => times > 1)).toEqual([]);
});

it.each([true, false])(
  "SIGTERM waits no longer than shutdownTimeout; what got no answer is sent again and stored once (stored before: %s)",
  async (stored) => {
    const server = await startBulkServer();
    const site = await siteWith(server, "200ms");
    const sent = inFlight(server, () => ({ do: "never", stored }));
    const agent = program.start(site);
    await sent;
    agent.child.kill("SIGTERM");
    expect(await agent.exited, agent.err).toBe(0);
    server.script = () => ({ do: "store" });
    await appendFile(site.at("log", "audit.log"), text(lines.slice(300)));
    const next = program.start(site, "--once");
    expect(await next.exited, next.err).toBe(0);
    await expectEachOnce(site, server);
  },
);

it("a second SIGTERM ends it at once, with 1", async () => {
  const server = await startBulkServer();
  const site = await siteWith(server, "10m");
  const sent = inFlight(server, () => ({ do: "never" }));
  const agent = program.start(site);
  await sent;
  agent.child.kill("SIGTERM");
  await agent.until(({ err }) => err.includes("signal again to stop at once"));
  agent.child.kill("SIGTERM");
  expect(await agent.exited).toBe(1);
});

/** A site whose configuration is a pipe: an agent has begun to start when {@link give} resolves, and goes on when it did. */
async function pipedSite(): Promise<{ site: Site; begun(): Promise<{ goOn(): Promise<void> }> }> {
  const site = await Site.make();
  await writeFile(site.at("log", "audit.log"), text(lines));
  await site.configure({ sinks: { archive: { type: "file", path: "archive.ndjson" } } });
  const config = await readFile(site.at("auditship.yaml"));
  await rename(site.at("auditship.yaml"), site.at("kept.yaml"));
  execFileSync("mkfifo", [site.at("auditship.yaml")]);
  const begun = async () => {
    const pipe = await open(site.at("auditship.yaml"), "w");
    const goOn = async () => {
      await pipe.writeFile(config);
      await pipe.close();
    };
    return { goOn };
  };
  return { site, begun };
}

it("SIGTERM before it has its configuration is an orderly end, with 0", async () => {
  const { site, begun } = await pipedSite();
  const agent = program.start(site);
  const { goOn } = await begun();
  agent.child.kill("SIGTERM");
  await goOn();
  expect(await agent.exited, agent.err).toBe(0);
  expect(agent.err).toContain("Agent stopped.");
});

it("SIGHUP before it has its configuration is a reload when it has started", async () => {
  const { site, begun } = await pipedSite();
  const agent = program.start(site);
  const first = await begun();
  agent.child.kill("SIGHUP");
  await first.goOn();
  await agent.until(({ err }) => err.includes("Agent started."));
  await (await begun()).goOn();
  await agent.until(({ err }) => err.includes("Configuration reloaded."));
});
