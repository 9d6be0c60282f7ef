import { createServer, request } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listen } from "./listen.js";
import { TcpProxy } from "./tcp-proxy.js";

const server = createServer((incoming, answer) => {
  const chunks: Buffer[] = [];
  incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
  incoming.on("end", () => answer.end(Buffer.concat(chunks)));
});
let proxy: TcpProxy;
beforeEach(async () => {
  proxy = await TcpProxy.to(await listen(server));
});
afterEach(async () => {
  await proxy.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** Posts bytes, and gives back what came. */
const echo = (body: Buffer, timeout = 20_000): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const post = request(proxy.url, { method: "POST", agent: false, timeout }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => resolve(Buffer.concat(chunks)));
      answer.on("error", reject);
    });
    post.on("timeout", () => post.destroy(new Error("silent")));
    post.on("error", reject);
    post.end(body);
  });

const body = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));

describe("a network of our own", () => {
  it.each([{}, { latency: 20 }, { bytesPerSecond: 5_000_000 }, { slice: 1000 }])(
    "passes all bytes: %o",
    async (toxic) => {
      proxy.toxic = toxic;
      expect((await echo(body)).equals(body)).toBe(true);
    },
  );

  it("resets a connection after some bytes, and the next one passes", async () => {
    proxy.toxic = { resetAfter: 10_000 };
    await expect(echo(body)).rejects.toThrow(/ECONNRESET|EPIPE/);
    proxy.toxic = {};
    expect((await echo(body)).equals(body)).toBe(true);
  });

  it("says nothing in a black hole", async () => {
    proxy.toxic = { blackhole: true };
    await expect(echo(body, 100)).rejects.toThrow("silent");
  });

  it("refuses connections until it listens again, at its port", async () => {
    const { url } = proxy;
    await proxy.refuse();
    await expect(echo(body)).rejects.toThrow("ECONNREFUSED");
    await proxy.listen();
    expect(proxy.url).toBe(url);
    expect((await echo(body)).equals(body)).toBe(true);
  });
});
