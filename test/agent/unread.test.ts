import { appendFile } from "node:fs/promises";
import { expect, it, onTestFinished, vi } from "vitest";
import { startBulkServer } from "../support/bulk-server.js";
import { Fifo } from "../support/fifo.js";
import { patience } from "../support/patience.js";
import { bundledProgram, Site, simulated, text } from "./fixture.js";

const program = bundledProgram();
const lines = simulated(11, 20);

it("an agent whose log nobody reads ships on, and ends when it is told to", async () => {
  const server = await startBulkServer();
  onTestFinished(() => server.close());
  const place = await Site.make();
  await place.configure({ sinks: { search: { type: "elasticsearch", urls: [server.url] } } });
  await appendFile(place.at("log", "audit.log"), text(lines));
  const stderr = new Fifo(place.at("stderr"), { full: true });
  const agent = program.startWith(place, { stdio: ["ignore", "ignore", stderr.open()] });
  await vi.waitFor(() => expect(server.stored.size).toBe(lines.length), patience);
  agent.child.kill("SIGTERM");
  expect(await agent.exited).toBe(0);
});
