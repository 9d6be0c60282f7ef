import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, it } from "vitest";
import { freePort } from "../support/ports.js";
import { TcpProxy, type Toxic } from "../support/tcp-proxy.js";
import { LoadedAgent } from "./loaded-agent.js";
import { killNode, nodeDirectory, SCRIPTS, script } from "./scripts.js";
import { ELASTICSEARCH, SearchServer } from "./search-server.js";

/** 600 for the long run. */
const TOXIC_SECONDS = Number(process.env.AUDITSHIP_TEST_TOXIC_SECONDS ?? 30);
/** 5 for the long run. */
const KILLS = Number(process.env.AUDITSHIP_TEST_SERVER_KILLS ?? 2);

/** What the network does, one after the other. */
const TOXICS: Toxic[] = [
  { latency: 100 },
  { bytesPerSecond: 1_000_000 },
  { resetAfter: 200_000 },
  { blackhole: true },
  { slice: 700, latency: 5 },
  { latency: 300, bytesPerSecond: 500_000, slice: 5000 },
];

const index = `e2e-network-${randomBytes(4).toString("hex")}`;
let agent: LoadedAgent | undefined;
afterEach(() => agent?.end());

describe.skipIf(!ELASTICSEARCH.url)(`a bad network between an agent and Elasticsearch for ${TOXIC_SECONDS} s`, () => {
  it("costs no event, and stores none twice", { timeout: (TOXIC_SECONDS + 700) * 1000 }, async () => {
    const { urls, ...auth } = ELASTICSEARCH.sinkOptions();
    const proxy = await TcpProxy.to(urls[0]);
    agent = new LoadedAgent(index, { urls: [proxy.url], ...auth });
    const ends = performance.now() + TOXIC_SECONDS * 1000;
    const each = Math.max(3000, (TOXIC_SECONDS * 1000) / TOXICS.length / 5);
    for (let turn = 0; performance.now() < ends; turn++) {
      proxy.toxic = TOXICS[turn % TOXICS.length];
      await sleep(each);
      if (turn % TOXICS.length === TOXICS.length - 1) proxy.cut();
    }
    proxy.toxic = {};
    await agent.expectAll(ELASTICSEARCH);
    await proxy.close();
    await ELASTICSEARCH.ask("DELETE", `/${index}`);
  });
});

describe.skipIf(!SCRIPTS)(`an Elasticsearch that is killed ${KILLS} times under load`, () => {
  const env = { NAME: `e2e-killed-${process.pid}`, HEAP: "256m", PORT: "" };
  const up = () => script("elasticsearch-up", env);
  afterEach(async () => {
    await script("elasticsearch-up", env, "--stop");
    rmSync(nodeDirectory(env.NAME), { recursive: true, force: true });
  });

  it("has every event once when it is back", { timeout: (KILLS + 8) * 120_000 }, async () => {
    env.PORT = String(await freePort());
    const server = new SearchServer("its own", await up());
    agent = new LoadedAgent(index, { urls: [server.url!] });
    for (let i = 0; i < KILLS; i++) {
      await agent.stores(server);
      await killNode(env.NAME);
      await up();
    }
    await agent.expectAll(server);
  });
});
