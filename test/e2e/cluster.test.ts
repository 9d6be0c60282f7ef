import { rmSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { freePort } from "../support/ports.js";
import { LoadedAgent } from "./loaded-agent.js";
import { killNode, nodeDirectory, SCRIPTS, type Script, script } from "./scripts.js";
import { SearchServer } from "./search-server.js";

/**
 * The least cluster that outlives any one of its nodes: two that hold the data, each a copy, and a third that only votes. The
 * agent knows the two.
 */
const ROLES = { voter: "[master]", left: "[master,data]", right: "[master,data]" };
type NodeName = keyof typeof ROLES;
const NAMES = Object.keys(ROLES) as NodeName[];
const INDEX = "audit-cluster";
/** Three nodes share a machine with the agent. */
const PER_SECOND = 200;

describe.skipIf(!SCRIPTS).each<[string, Script, discovery: string]>([
  ["Elasticsearch", "elasticsearch-up", "multi-node"],
  ["OpenSearch", "opensearch-up", "zen"],
])("a cluster of %s whose nodes are killed in turn under load", (_, up, discovery) => {
  const nameOf = (node: NodeName) => `${up}-${node}-${process.pid}`;
  const environment = (node: NodeName) => ({
    NAME: nameOf(node),
    HEAP: "256m",
    PORT: String(port + NAMES.length + NAMES.indexOf(node)),
  });
  const servers = {} as Record<NodeName, SearchServer>;
  /** Of the first of the nodes for each other; for clients behind those. */
  let port: number;
  let agent: LoadedAgent | undefined;

  async function start(node: NodeName): Promise<void> {
    const transport = (each: NodeName) => port + NAMES.indexOf(each);
    const settings = {
      "cluster.name": `auditship-${up}-${process.pid}`,
      "discovery.type": discovery,
      "discovery.seed_hosts": `[${NAMES.map((each) => `"127.0.0.1:${transport(each)}"`)}]`,
      "cluster.initial_master_nodes": nameOf("voter"),
      "transport.port": transport(node),
      "node.roles": ROLES[node],
    };
    const args = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
    servers[node] = new SearchServer(node, await script(up, environment(node), ...args));
  }

  /** Resolves when each document is on both nodes. */
  async function whole(): Promise<void> {
    const health = `/_cluster/health/${INDEX}?wait_for_status=green&wait_for_nodes=3&timeout=60s`;
    await vi.waitFor(
      async () => expect(await servers.voter.ask("GET", health)).toMatchObject({ status: "green", number_of_nodes: 3 }),
      { timeout: 240_000, interval: 500 },
    );
  }

  beforeAll(async () => {
    port = await freePort(2 * NAMES.length);
    await start("voter");
    await Promise.all([start("left"), start("right")]);
    await servers.voter.ask("PUT", `/${INDEX}`, { settings: { number_of_shards: 2, number_of_replicas: 1 } });
    await whole();
  }, 600_000);
  afterEach(() => agent?.end());
  afterAll(async () => {
    for (const node of NAMES) {
      await script(up, environment(node), "--stop");
      rmSync(nodeDirectory(nameOf(node)), { recursive: true, force: true });
    }
  });

  it("has every event once, and takes events while one of them is dead", { timeout: 900_000 }, async () => {
    agent = new LoadedAgent(INDEX, { urls: [servers.left.url, servers.right.url] }, PER_SECOND);
    for (const node of ["left", "right"] as const) {
      await agent.stores(servers.voter);
      await killNode(nameOf(node));
      await agent.stores(servers.voter);
      await start(node);
      await whole();
    }
    await agent.expectAll(servers.voter);
  });
});
