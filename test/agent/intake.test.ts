import { readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { events } from "../../src/simulate/events.js";
import type { Program } from "../cli/fixture.js";
import { freePort } from "../support/ports.js";
import { bundledProgram, Site } from "./fixture.js";

const program = bundledProgram();

/** Posts as kube-apiserver does: the same body again until it is taken. */
async function post(port: number, events: readonly string[]): Promise<void> {
  const body = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${events}]}\n`;
  for (;;) {
    const status = await fetch(`http://127.0.0.1:${port}/audit/webhook/event?timeout=30s`, {
      method: "POST",
      body,
    }).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) return;
    await sleep(20);
  }
}

it("what is posted to an agent that is killed again and again arrives once, in order, and leaves no spool behind", async () => {
  const port = await freePort();
  const site = await Site.make();
  await site.configure({
    sources: { hook: { type: "webhook", listen: `127.0.0.1:${port}`, auth: "none", spoolSize: "2MiB" } },
    sinks: { archive: { type: "file", path: "archive.ndjson" } },
  });
  let agent: Program = program.start(site);
  const log = events(11);
  const lines: string[] = [];
  // There is always more to come, however late it is killed.
  let killing = true;
  const sent = (async () => {
    while (killing) {
      const some = Array.from({ length: 10 }, () => log.next().value);
      lines.push(...some);
      await post(port, some);
    }
  })();
  for (let kill = 0; kill < 3; kill++) {
    const before = (await site.archive("archive.ndjson")).length;
    await expect.poll(async () => (await site.archive("archive.ndjson")).length).toBeGreaterThan(before);
    agent.child.kill("SIGKILL");
    await agent.exited;
    agent = program.start(site);
  }
  killing = false;
  await sent;
  agent.child.kill("SIGTERM");
  expect(await agent.exited, agent.err).toBe(0);
  const last = program.start(site, "--once");
  expect(await last.exited, last.err).toBe(0);
  const shape = (line: string) => {
    const { auditID, stage } = JSON.parse(line);
    return `${auditID} ${stage}`;
  };
  expect((await site.archive("archive.ndjson")).map(shape)).toEqual(lines.map(shape));
  const files = await readdir(site.at("state", "spool", "hook"));
  expect(files.filter((name) => name.startsWith("audit-")).length).toBeLessThanOrEqual(2);
});
