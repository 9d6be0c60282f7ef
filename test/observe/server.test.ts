import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Readiness } from "../../src/observe/health.js";
import { Metrics } from "../../src/observe/meter.js";
import { type ObserveServer, serveObservation } from "../../src/observe/server.js";

const open: ObserveServer[] = [];

async function serve(readiness = new Readiness(), listen = "127.0.0.1:0") {
  const server = await serveObservation(listen, { metrics: new Metrics(), readiness });
  open.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

describe("the observation server", () => {
  it("shows the metrics in Prometheus' format", async () => {
    const { url } = await serve();
    const answer = await fetch(`${url}/metrics?x=1`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await answer.text()).toContain("# TYPE auditship_events_total counter");
  });

  it("is healthy while it answers", async () => {
    const { url } = await serve();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it("is not ready until every condition is met, and says which is not", async () => {
    const readiness = new Readiness();
    readiness.await("sink archive", "has not answered yet");
    readiness.await("sink pager", "has not answered yet");
    const { url } = await serve(readiness);
    readiness.met("sink pager");
    const answer = await fetch(`${url}/readyz`);
    expect([answer.status, await answer.text()]).toEqual([503, "sink archive: has not answered yet\n"]);
    readiness.met("sink archive");
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });

  it("is ready beside what is only noted, and says it", async () => {
    const readiness = new Readiness();
    readiness.note("sink pager", "stopped: gone");
    const { url } = await serve(readiness);
    const page = async () => {
      const answer = await fetch(`${url}/readyz`);
      return [answer.status, await answer.text()];
    };
    expect(await page()).toEqual([200, "ok\nsink pager: stopped: gone\n"]);
    readiness.await("sink archive", "has not answered yet");
    expect(await page()).toEqual([503, "sink archive: has not answered yet\nsink pager: stopped: gone\n"]);
    readiness.met("sink archive");
    readiness.met("sink pager");
    expect(await page()).toEqual([200, "ok\n"]);
  });

  it("has nothing else", async () => {
    const { url } = await serve();
    for (const path of ["/", "/debug", "/metrics/..", "/__proto__", "/constructor"]) {
      expect((await fetch(url + path)).status).toBe(404);
    }
  });

  it("answers GET and HEAD only", async () => {
    const { url } = await serve();
    const head = await fetch(`${url}/healthz`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    const post = await fetch(`${url}/metrics`, { method: "POST", body: "x" });
    expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  it("refuses a request with too large headers and lives on", async () => {
    const { url } = await serve();
    const socket = connect(Number(new URL(url as string).port), "127.0.0.1");
    socket.write(`GET /metrics HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`);
    const [chunk] = (await new Promise((resolve) => socket.once("data", (data) => resolve([data])))) as [Buffer];
    expect(chunk.toString()).toMatch(/^HTTP\/1\.1 431 /);
    socket.destroy();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it("can be turned off", async () => {
    expect((await serve(new Readiness(), "none")).url).toBeUndefined();
  });

  it("says what to do when its address is taken", async () => {
    const { url } = await serve();
    const address = (url as string).slice("http://".length);
    await expect(serve(new Readiness(), address)).rejects.toMatchObject({
      code: "AUDITSHIP_CONFIG_VALUE",
      message: `observe.listen: cannot listen on ${address}: another process has it; give another address, port 0 for a free one, or none.`,
    });
  });
});
