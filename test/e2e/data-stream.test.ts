import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditLine } from "../support/batches.js";
import { Agent, auditship } from "./program.js";
import { SEARCH_SERVERS } from "./search-server.js";

const BEFORE = 3000;
const AFTER = 500;

for (const server of SEARCH_SERVERS) {
  describe.skipIf(!server.url)(`a data stream of ${server.name}`, () => {
    const dataStream = `audit-restart-${process.pid}`;
    let directory: string;
    let config: string;
    let agent: Agent | undefined;

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), "auditship-stream-"));
      config = join(directory, "auditship.yaml");
      const sinks = { archive: { type: "elasticsearch", ...server.sinkOptions(), dataStream } };
      const sources = { apiserver: { path: "audit.log" } };
      writeFileSync(config, JSON.stringify({ sources, state: "state", sinks, observe: { listen: "none" } }));
      await auditship("setup", "-c", config);
    });
    afterAll(async () => {
      await agent?.stop("SIGKILL");
      rmSync(directory, { recursive: true });
    });

    const write = (from: number, count: number) => {
      const lines = Array.from({ length: count }, (_, n) => `${auditLine(from + n)}\n`);
      appendFileSync(join(directory, "audit.log"), lines.join(""));
    };
    const stored = (count: number) =>
      expect.poll(() => server.countDocuments(dataStream), { timeout: 120_000, interval: 200 }).toBe(count);

    it("holds each event once though an agent was killed before it wrote down what it sent, and the stream rolled over three times", async () => {
      write(0, BEFORE);
      agent = new Agent(config);
      await stored(BEFORE);
      await agent.stop("SIGKILL");
      // As if it had been killed before its first checkpoint.
      rmSync(join(directory, "state"), { recursive: true });
      for (let i = 0; i < 3; i++) await server.ask("POST", `/${dataStream}/_rollover`);
      agent = new Agent(config);
      write(BEFORE, AFTER);
      await stored(BEFORE + AFTER);
      expect(await agent.stop("SIGTERM"), agent.log).toBe(0);
      await stored(BEFORE + AFTER);
      expect(await server.ask("GET", `/_resolve/index/${dataStream}`)).toMatchObject({
        data_streams: [{ backing_indices: Array(4).fill(expect.any(String)) }],
      });
    });
  });
}
