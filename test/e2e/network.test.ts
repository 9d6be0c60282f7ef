import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Ledger } from "../faults/ledger.js";
import { AuditWriter } from "../faults/writer.js";
import { freePort } from "../support/ports.js";
import { TcpProxy, type Toxic } from "../support/tcp-proxy.js";
import { Agent } from "./program.js";
import { SCRIPTS, script } from "./scripts.js";
import { ELASTICSEARCH, SearchServer } from "./search-server.js";

/** 600 for the long run. */
const TOXIC_SECONDS = Number(process.env.AUDITSHIP_TEST_TOXIC_SECONDS ?? 30);
/** 5 for the long run. */
const KILLS = Number(process.env.AUDITSHIP_TEST_SERVER_KILLS ?? 2);
const PER_SECOND = 1000;
const AUDIT_ID = /"auditID":"([^"]*)"/g;

/** What the network does, one after the other. */
const TOXICS: Toxic[] = [
  { latency: 100 },
  { bytesPerSecond: 1_000_000 },
  { resetAfter: 200_000 },
  { blackhole: true },
  { slice: 700, latency: 5 },
  { latency: 300, bytesPerSecond: 500_000, slice: 5000 },
];

let directory: string;
let agent: Agent | undefined;
let log: AuditWriter;
let stop: AbortController;
let mill: Promise<void>;
const index = `e2e-network-${randomBytes(4).toString("hex")}`;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "auditship-e2e-network-"));
  mkdirSync(join(directory, "log"));
  log = new AuditWriter(join(directory, "log", "audit.log"), new Ledger(), { maxSize: 4_000_000 });
  mill = Promise.resolve();
  log.onRotated = (file) => {
    mill = mill.then(() => log.compressBeside(file));
  };
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await agent?.stop("SIGKILL");
  await mill;
  rmSync(directory, { recursive: true, force: true });
});

function start(sink: object): void {
  const config = {
    sources: { apiserver: { path: "log/audit.log" } },
    state: "state",
    stages: ["parse", "redact"],
    sinks: { archive: { type: "elasticsearch", index, timeout: "5s", retry: { max: "2s" }, ...sink } },
    observe: { listen: "none" },
  };
  writeFileSync(join(directory, "auditship.yaml"), JSON.stringify(config));
  agent = new Agent(join(directory, "auditship.yaml"));
}

async function load(): Promise<void> {
  while (!stop.signal.aborted) await log.writeAtRate(PER_SECOND / 10, PER_SECOND);
}

/** Waits until as many documents are there as events were written, then holds each against each. */
async function expectAll(server: SearchServer): Promise<void> {
  const { events, pending } = log.ledger;
  await vi.waitFor(async () => expect(await server.countDocuments(index)).toBe(events), {
    timeout: 300_000,
    interval: 500,
  });
  const counts = new Map<string, number>();
  for await (const page of server.pages(index)) {
    for (const [, auditID] of page.matchAll(AUDIT_ID)) counts.set(auditID, (counts.get(auditID) ?? 0) + 1);
  }
  const written = [...pending.keys()].map((identity) => identity.split("/")[0]);
  expect(written.filter((auditID) => counts.get(auditID) !== 1)).toEqual([]);
  expect(counts.size).toBe(written.length);
  expect(agent!.peak()).toBeLessThanOrEqual(150);
}

describe.skipIf(!ELASTICSEARCH.url)(`a bad network between an agent and Elasticsearch for ${TOXIC_SECONDS} s`, () => {
  it("costs no event, and stores none twice", { timeout: (TOXIC_SECONDS + 400) * 1000 }, async () => {
    const { urls, ...auth } = ELASTICSEARCH.sinkOptions();
    const proxy = await TcpProxy.to(urls[0]);
    start({ urls: [proxy.url], ...auth });
    const loading = load();
    const ends = performance.now() + TOXIC_SECONDS * 1000;
    const each = Math.max(3000, (TOXIC_SECONDS * 1000) / TOXICS.length / 5);
    for (let turn = 0; performance.now() < ends; turn++) {
      proxy.toxic = TOXICS[turn % TOXICS.length];
      await sleep(each);
      if (turn % TOXICS.length === TOXICS.length - 1) proxy.cut();
    }
    proxy.toxic = {};
    stop.abort();
    await loading;
    await expectAll(ELASTICSEARCH);
    await proxy.close();
    await ELASTICSEARCH.ask("DELETE", `/${index}`);
  });
});

describe.skipIf(!SCRIPTS)(`an Elasticsearch that is killed ${KILLS} times under load`, () => {
  const name = `e2e-killed-${process.pid}`;
  let env: Record<string, string>;
  const up = () => script("elasticsearch-up", env);
  /** kill -9, as a crash. */
  const kill = () => {
    const cache =
      process.env.AUDITSHIP_TEST_CACHE ??
      join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "auditship-test");
    process.kill(Number(readFileSync(join(cache, "nodes", name, "pid"), "utf8")), "SIGKILL");
  };
  afterEach(() => script("elasticsearch-up", env, "--stop"));

  it("has every event once when it is back", { timeout: (KILLS + 4) * 120_000 }, async () => {
    env = { NAME: name, PORT: `${await freePort()}`, HEAP: "256m" };
    const server = new SearchServer("its own", await up());
    start({ urls: [server.url!] });
    const loading = load();
    for (let i = 0; i < KILLS; i++) {
      const before = await server.countDocuments(index);
      await vi.waitFor(async () => expect(await server.countDocuments(index)).toBeGreaterThan(before), {
        timeout: 60_000,
        interval: 200,
      });
      kill();
      await up();
    }
    stop.abort();
    await loading;
    await expectAll(server);
  });
});
