import { appendFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { bundledProgram, Site, simulated, started, text } from "./fixture.js";

const program = bundledProgram();

/** What `status` prints, and its exit code. */
async function status(site: Site) {
  const asking = program.command(site, "status", "-c", "auditship.yaml");
  const code = await asking.exited;
  return { code, out: asking.out, err: asking.err };
}

it("tells of the agent that runs how each sink does, and fails while one is failing", async () => {
  const site = await Site.make();
  const archive = { type: "file", path: "archive.ndjson", startAt: "beginning" };
  await site.configure({ sinks: { archive } });
  expect(await status(site)).toEqual({ code: 1, out: `no agent runs on ${site.at("state")}\n`, err: "" });

  await appendFile(site.at("log", "audit.log"), text(simulated(1, 20)));
  const agent = program.start(site);
  await started(agent);
  await expect.poll(() => site.archive("archive.ndjson")).toHaveLength(20);
  const well = /\nsink {11}archive {2}live\n {17}0 bytes, 0\.0 s behind in apiserver\n$/;
  await expect.poll(() => status(site)).toEqual({ code: 0, out: expect.stringMatching(well), err: "" });
  const { out } = await status(site);
  expect(out).toContain(`process ${agent.child.pid}`);
  expect(out).toContain(`configuration  ${site.at("auditship.yaml")}\n`);

  const hook = { type: "webhook", url: "http://127.0.0.1:1", select: "all", startAt: "beginning", stallAfter: "1s" };
  await site.configure({ sinks: { archive, hook } });
  agent.child.kill("SIGHUP");
  await agent.until(({ err }) => err.includes("Configuration reloaded."));
  const failing = /\nsink {11}hook {2}\S+: .*connection refused.*\n {17}[1-9]\d* bytes, [\d.]+ s behind in apiserver\n/;
  await expect.poll(() => status(site)).toEqual({ code: 1, out: expect.stringMatching(failing), err: "" });
});
