import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { startBulkServer } from "../support/bulk-server.js";
import { added, bundledProgram, type Lines, Site, simulated, text } from "./fixture.js";

const DATA = process.env.AUDITSHIP_TEST_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
const SAMPLE = `${DATA}/samples/kubeadm-cluster/audit.jsonl.gz`;
const ARCHIVES = {
  plain: { type: "file", path: "plain.ndjson", maxSize: "8MiB" },
  zipped: { type: "file", path: "zipped.ndjson.gz", gzip: true, maxSize: "1MiB" },
};
const program = bundledProgram();

/** The same each time for one seed (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

/** Holds the documents against the lines: each once, in order, byte for byte but for what was added at the end. */
function expectExact(documents: Lines, lines: Lines): void {
  expect(documents).toHaveLength(lines.length);
  documents.forEach((document, index) => {
    const more = added(document, lines[index]);
    expect(Object.keys(more)).toEqual(["@timestamp", "auditship"]);
    const { stageTimestamp, objectRef } = JSON.parse(lines[index]);
    expect(more["@timestamp"]).toBe(stageTimestamp);
    expect(more.auditship.workspace).toBe(objectRef?.namespace === "shop" ? "team-shop" : undefined);
  });
}

function acceptance(read: () => Lines): void {
  it("arrives in plain and gzipped archives: every line once, in order, byte for byte but for the members at its end", async () => {
    const [site, lines] = [await Site.make(), read()];
    await site.writeLog(lines);
    await site.configure({ sinks: ARCHIVES });
    const agent = program.start(site, "--once");
    expect(await agent.exited, agent.err).toBe(0);
    for (const name of ["plain.ndjson", "zipped.ndjson.gz"]) expectExact(await site.archive(name), lines);
    const matched = (await site.archive("plain.ndjson")).filter((line) => line.includes(',"matches":[{"rule":"'));
    expect(matched.length).toBeGreaterThan(0);
  });

  it("arrives once in files and in Elasticsearch though the agent is killed again and again", async () => {
    const [site, lines] = [await Site.make(), read()];
    const seed = Math.floor(Math.random() * 2 ** 31);
    const next = random(seed);
    const server = await startBulkServer();
    try {
      await site.writeLog(lines);
      const search = { type: "elasticsearch", urls: [server.url], request: { maxEvents: 200 }, compression: "none" };
      await site.configure({ sinks: { ...ARCHIVES, search } });
      for (let kill = 0; kill < 2; kill++) {
        // Most of what it sends gets no answer: it is not done before it is killed, however late that is.
        const answered = server.requests + 2;
        server.script = ({ n }) => (n <= answered ? { do: "store" } : { do: "never" });
        const agent = program.start(site, "--once");
        const more = 1 + next(1_000_000);
        const until = Math.min((await site.archived("plain.ndjson")) + more, text(lines).length);
        while ((await site.archived("plain.ndjson")) < until) await sleep(1);
        agent.child.kill("SIGKILL");
        await agent.exited;
      }
      for (let kill = 0; kill < 2; kill++) {
        const agent = program.start(site, "--once");
        const last = server.requests + 1 + next(lines.length / 800);
        const stored = next(2) === 0;
        server.script = ({ n }) => {
          if (n < last) return { do: "store" };
          agent.child.kill("SIGKILL");
          return { do: "never", stored };
        };
        expect(await agent.exited, `seed ${seed}: it was to be killed: ${agent.err}`).toBeNull();
      }
      server.script = () => ({ do: "store" });
      const agent = program.start(site, "--once");
      expect(await agent.exited, `seed ${seed}: ${agent.err}`).toBe(0);
      for (const name of ["plain.ndjson", "zipped.ndjson.gz"]) {
        const documents = await site.archive(name);
        expect(documents.length, `seed ${seed}: ${name}`).toBe(lines.length);
        expectExact(documents, lines);
      }
      expect(server.problems).toEqual([]);
      expect(server.stored.size, `seed ${seed}`).toBe(lines.length);
      const missing = new Set(lines.map((line) => line.slice(0, -1)));
      for (const document of server.stored.values()) {
        const text = document.toString();
        missing.delete(text.slice(0, text.lastIndexOf(',"@timestamp":')));
      }
      expect([...missing], `seed ${seed}`).toEqual([]);
    } finally {
      await server.close();
    }
  }, 120_000);
}

describe("a simulated log of 3,000 events in rotated files", () => {
  const lines = simulated(42, 3000);
  acceptance(() => lines);

  it("has its secrets redacted, and every line without one byte for byte", async () => {
    const site = await Site.make();
    await site.writeLog(lines);
    await site.configure({ sinks: ARCHIVES, stages: ["parse", "workspace", "match", "redact"] });
    const agent = program.start(site, "--once");
    expect(await agent.exited, agent.err).toBe(0);
    const documents = await site.archive("plain.ndjson");
    expect(documents).toHaveLength(lines.length);
    expect(await site.archive("zipped.ndjson.gz")).toEqual(documents);
    const redacted = documents.filter((document, index) => {
      if (document.startsWith(`${lines[index].slice(0, -1)},`)) return false;
      const [is, was] = [JSON.parse(document), JSON.parse(lines[index])];
      expect(document).toContain("hmac:");
      expect([is.auditID, is.stage, is.objectRef]).toEqual([was.auditID, was.stage, was.objectRef]);
      return true;
    });
    expect(redacted.length).toBeGreaterThan(0);
    const bare = ({ requestObject, responseObject, requestURI, responseStatus }: AuditEvent) =>
      requestObject === undefined &&
      responseObject === undefined &&
      !requestURI.includes("?") &&
      responseStatus?.message === undefined;
    expect(redacted.filter((document) => bare(JSON.parse(document)))).toEqual([]);
    const secrets = lines.flatMap((line) => secretsOf(JSON.parse(line)));
    expect(secrets.length).toBeGreaterThan(0);
    const everything = documents.join("\n");
    expect(secrets.filter((secret) => everything.includes(secret))).toEqual([]);
  });
});

interface AuditEvent {
  requestURI: string;
  responseStatus?: { message?: string };
  objectRef?: { resource: string };
  requestObject?: Body;
  responseObject?: Body & { items?: Body[] };
}
type Body = { data?: Record<string, string>; stringData?: Record<string, string> };

/** The values of the Secrets that an event's bodies hold. */
function secretsOf({ objectRef, requestObject, responseObject }: AuditEvent): string[] {
  if (objectRef?.resource !== "secrets") return [];
  return [requestObject, responseObject, ...(responseObject?.items ?? [])]
    .flatMap((body) => [body?.data, body?.stringData])
    .flatMap((data) => Object.values<string>(data ?? {}))
    .filter((value) => value.length > 7);
}

describe.skipIf(!existsSync(SAMPLE))("a kubeadm cluster's log of 16,563 events", () => {
  const read = () => gunzipSync(readFileSync(SAMPLE)).toString().trimEnd().split("\n");

  it("is whole", () => {
    expect(read()).toHaveLength(16_563);
  });

  acceptance(read);
});
