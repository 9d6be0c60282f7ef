import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Load } from "./load.js";
import { killNode, nodeDirectory, SCRIPTS, script } from "./scripts.js";
import { SearchServer } from "./search-server.js";
import { eventOf, line, openSink, send } from "./search-sink.js";

const NAME = `auditship-limits-${process.pid}`;
/** Nobody listens there. */
const DEAD = "http://127.0.0.1:1";
const DONE = { kind: "done" };
const LIMITS = ["http.max_content_length=64kb", "thread_pool.write.size=1", "thread_pool.write.queue_size=1"];

describe.skipIf(!SCRIPTS)("an Elasticsearch with little room, that is killed and comes back", () => {
  let server: SearchServer;
  const environment = { NAME, HEAP: "256m" };
  const start = async () => new SearchServer("limits", await script("elasticsearch-up", environment, ...LIMITS));

  beforeAll(async () => {
    server = await start();
  });
  afterAll(async () => {
    await script("elasticsearch-up", environment, "--stop");
    rmSync(nodeDirectory(NAME), { recursive: true, force: true });
  });

  it("answers a request beyond its size with 413, which halves it", async () => {
    const sink = await openSink({ ...server.sinkOptions(), index: "large" });
    const events = Array.from({ length: 3 }, (_, n) =>
      eventOf(line(`large-${n}`, `,"requestObject":{"a":"${"x".repeat(30_000)}"}`)),
    );
    const [verdict] = await send(sink, ...events);
    expect(verdict).toEqual({ kind: "split", reason: "the request is too large (413)" });
    expect(await send(sink, events[0])).toEqual([DONE]);
  });

  it("gets every event once though its queue is full most of the time", async () => {
    const { urls } = server.sinkOptions();
    const loads = await Promise.all(Array.from({ length: 4 }, () => Load.on({ urls, index: "busy" })));
    // All of them send the same events: one stores it, for the others it is there.
    const running = loads.map((load) => load.run());
    const isBusy = () =>
      loads.some(({ counted }) => [...counted.keys()].some((key) => /retries_total archive busy/.test(key)));
    await expect.poll(isBusy, { timeout: 120_000 }).toBe(true);
    const left = await Promise.all(loads.map((load) => load.end()));
    await Promise.all(running);
    expect(left).toEqual([0, 0, 0, 0]);
    expect(await server.countDocuments("busy")).toBe(Math.max(...loads.map((load) => load.count)));
  });

  it("gets every event once though it is killed under load and started again, beside an endpoint that is dead", async () => {
    const load = await Load.on({ urls: [DEAD, ...server.sinkOptions().urls], index: "killed" });
    const running = load.run();
    await load.delivered(500, running);
    await killNode(NAME);
    await expect.poll(() => load.failing, { timeout: 30_000 }).toContain("connection");
    await start();
    await load.delivered(500, running);
    const left = load.end();
    await running;
    expect(await left).toBe(0);
    expect(await server.countDocuments("killed")).toBe(load.count);
  });
});
