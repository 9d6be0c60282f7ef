import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { createHttp } from "../../src/delivery/http.js";
import { type HttpOptions, httpShape } from "../../src/plugin/index.js";
import { quietHost } from "../support/far-end.js";
import { ENDS, LateReader } from "../support/late-reader.js";
import { freePort } from "../support/ports.js";
import { serve } from "../support/serve.js";

/** An address where nobody listens. */
const deadUrl = async () => `http://127.0.0.1:${await freePort()}`;

function client(options: HttpOptions, warnings: string[] = []) {
  const log = { debug() {}, info() {}, warn: (_: object, message: string) => warnings.push(message), error() {} };
  const http = createHttp(options, { ...quietHost("archive"), log });
  onTestFinished(() => http.close());
  return http;
}

async function temporaryFile(content: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "auditship-http-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, "file"), content);
  return join(directory, "file");
}

/** A server that answers 200 and keeps what it was asked. */
async function recorder(): Promise<{ url: string; seen: IncomingMessage[] }> {
  const seen: IncomingMessage[] = [];
  const url = await serve((request, response) => {
    seen.push(request);
    request.resume().on("end", () => response.end("ok"));
  });
  return { url, seen };
}

const get = { method: "GET", path: "" } as const;

test("a path is joined to the endpoint's path, and an empty one is the URL itself with its query", async () => {
  const { url, seen } = await recorder();
  const http = client({ urls: [`${url}/base/?token=x`] });
  await http.request({ method: "POST", path: "/_bulk?filter_path=items", body: "{}" });
  await http.request(get);
  expect(seen.map((request) => request.url)).toEqual(["/base/_bulk?filter_path=items", "/base/?token=x"]);
});

test("configured headers and ours go with every request, the request's own over them", async () => {
  const { url, seen } = await recorder();
  const http = client({ urls: [url], headers: { "X-Team": "audit", "Content-Type": "text/plain" } });
  await http.request({ method: "POST", path: "", headers: { "content-type": "application/json" }, body: "{}" });
  expect(seen[0].headers).toMatchObject({
    "user-agent": "auditship/0",
    "x-team": "audit",
    "content-type": "application/json",
  });
});

test("names of headers that differ in case are one; a request's own wins, and credentials win over a configured header", async () => {
  const { url, seen } = await recorder();
  const headers = { "content-type": "text/plain", Authorization: "configured" };
  const http = client({ urls: [url], headers, auth: { token: "abc" } });
  await http.request({ method: "POST", path: "", headers: { "Content-Type": "application/json" }, body: "{}" });
  expect(seen[0].headers).toMatchObject({ "content-type": "application/json", authorization: "Bearer abc" });
  expect(seen[0].rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())).toHaveLength(
    new Set(Object.keys(seen[0].headers)).size,
  );
});

test("headers of an answer are texts, several cookies, too", async () => {
  const url = await serve((_, response) => response.writeHead(200, { "set-cookie": ["a=1", "b=2"] }).end());
  expect((await client({ urls: [url] }).request(get)).headers["set-cookie"]).toBe("a=1, b=2");
});

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));

test.skipIf(!hasIpv6)("an endpoint may be an IPv6 address", async () => {
  const server = createServer(({ headers }, response) => response.end(headers.host));
  await new Promise<void>((resolve) => server.listen(0, "::1", resolve));
  onTestFinished(() => void server.close());
  const url = `http://[::1]:${(server.address() as AddressInfo).port}`;
  const answer = await client({ urls: [url] }).request(get);
  expect(answer.url).toBe(url);
  expect(Buffer.from(answer.body).toString()).toBe(new URL(url).host);
});

test.each([
  [{ username: "ann", password: "pässword" }, `Basic ${Buffer.from("ann:pässword").toString("base64")}`],
  [{ token: "abc" }, "Bearer abc"],
  [{ apiKey: "a2V5" }, "ApiKey a2V5"],
])("credentials %o are sent as the scheme they are for", async (auth, expected) => {
  const { url, seen } = await recorder();
  await client({ urls: [url], auth }).request(get);
  expect(seen[0].headers.authorization).toBe(expected);
});

test("credentials in a file are used anew once the file has changed", async () => {
  const { url, seen } = await recorder();
  const tokenFile = await temporaryFile("first\n");
  const http = client({ urls: [url], auth: { tokenFile } });
  await http.request(get);
  await writeFile(tokenFile, "second, and longer\n");
  await http.request(get);
  expect(seen.map((request) => request.headers.authorization)).toEqual(["Bearer first", "Bearer second, and longer"]);
});

test("a missing or empty credentials file is an error that names the file, and nothing is sent", async () => {
  const { url, seen } = await recorder();
  const empty = await temporaryFile(" \n");
  await expect(client({ urls: [url], auth: { apiKeyFile: "/nowhere/key" } }).request(get)).rejects.toThrow(
    "cannot read auth.apiKeyFile /nowhere/key: ENOENT",
  );
  await expect(client({ urls: [url], auth: { tokenFile: empty } }).request(get)).rejects.toThrow("is empty");
  expect(seen).toEqual([]);
});

test("an endpoint that cannot be reached is passed over, and later requests begin with the one that answered", async () => {
  const dead = await deadUrl();
  const { url, seen } = await recorder();
  const http = client({ urls: [dead, url] });
  expect((await http.request(get)).url).toBe(url);
  expect((await http.request(get)).url).toBe(url);
  expect(seen).toHaveLength(2);
});

test("when no endpoint can be reached the error names each with its reason", async () => {
  const urls = [await deadUrl(), await deadUrl()];
  await expect(client({ urls }).request(get)).rejects.toThrow(
    `connection refused (${urls[0]}); connection refused (${urls[1]})`,
  );
});

test("a request that may have arrived is not sent to another endpoint, but the next one is", async () => {
  const broken = await serve((request) => request.socket.destroy());
  const { url, seen } = await recorder();
  const http = client({ urls: [broken, url] });
  await expect(http.request({ method: "POST", path: "", body: "x" })).rejects.toThrow(
    `connection closed before the answer was complete (${broken})`,
  );
  expect(seen).toHaveLength(0);
  expect((await http.request(get)).url).toBe(url);
});

test("requests that are spread use every endpoint; one that is down is left out, and used again once it is back", async () => {
  const [first, second] = [await recorder(), await recorder()];
  const gone = new URL(await deadUrl());
  const http = client({ urls: [first.url, gone.href, second.url] });
  const spread = { ...get, spread: true };
  for (let i = 0; i < 6; i++) await http.request(spread);
  expect(first.seen.length + second.seen.length).toBe(6);
  expect(Math.min(first.seen.length, second.seen.length)).toBeGreaterThan(1);

  await serve((_, response) => response.end(), Number(gone.port));
  await expect.poll(async () => (await http.request(spread)).url).toBe(gone.origin);
});

test("an endpoint that is too slow for a probe's own time limit is passed over by the next probe", async () => {
  const silent = await serve(() => {});
  const { url } = await recorder();
  const http = client({ urls: [silent, url] });
  await expect(http.request({ ...get, signal: AbortSignal.timeout(50) })).rejects.toThrow(
    `no complete answer in time (${silent})`,
  );
  expect((await http.request(get)).url).toBe(url);
});

test("an endpoint that says it cannot serve is an answer, and the next request goes to another", async () => {
  const failing = await serve((_, response) => response.writeHead(503).end());
  const { url } = await recorder();
  const http = client({ urls: [failing, url] });
  expect((await http.request(get)).status).toBe(503);
  expect((await http.request(get)).url).toBe(url);
});

test("an endpoint that takes no connection leaves time for another one within the timeout", async () => {
  const mute = createTcpServer(() => {});
  const tls = (await serve(mute)).replace("http:", "https:");
  const { url } = await recorder();
  expect((await client({ urls: [tls, url], timeout: 3000 }).request(get)).url).toBe(url);
});

/** A server that closes its first connection as soon as a second request comes over it. */
async function closesFirst(): Promise<{ url: string; connections: () => number }> {
  const seen: object[] = [];
  const asked = new Set<object>();
  const url = await serve(({ socket }, response) => {
    if (!seen.includes(socket)) seen.push(socket);
    if (socket === seen[0] && asked.has(socket)) socket.destroy();
    else response.end();
    asked.add(socket);
  });
  return { url, connections: () => seen.length };
}

test("a question over a kept connection that was just closed is asked again over a fresh one", async () => {
  const { url, connections } = await closesFirst();
  const http = client({ urls: [url] });
  await http.request(get);
  expect((await http.request(get)).status).toBe(200);
  expect(connections()).toBe(2);
});

test("a post over a kept connection that was just closed may have arrived: the caller decides, and its endpoint is asked on", async () => {
  const { url, connections } = await closesFirst();
  const http = client({ urls: [url, await deadUrl()] });
  const post = { method: "POST", path: "" } as const;
  await http.request(post);
  await expect(http.request(post)).rejects.toThrow(`connection closed before the answer was complete (${url})`);
  expect((await http.request(post)).url).toBe(url);
  expect(connections()).toBe(2);
});

test("a connection is used again for the next request", async () => {
  const { url, seen } = await recorder();
  const http = client({ urls: [url] });
  for (let i = 0; i < 3; i++) await http.request({ method: "POST", path: "", body: Buffer.from("x") });
  expect(new Set(seen.map((request) => request.socket.remotePort)).size).toBe(1);
});

/** A server in a thread of its own that reads bodies and counts its connections. */
async function busyServer(): Promise<{ url: string; connections: () => Promise<number> }> {
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
     let connections = 0;
     const server = require("node:http").createServer((request, response) => {
       request.resume().on("end", () => response.end("ok"));
     });
     server.on("connection", () => connections++);
     server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
     parentPort.on("message", () => parentPort.postMessage(connections));`,
    { eval: true },
  );
  onTestFinished(async () => void (await worker.terminate()));
  const [port] = await once(worker, "message");
  const connections = async () => {
    worker.postMessage("connections");
    return (await once(worker, "message"))[0];
  };
  return { url: `http://127.0.0.1:${port}`, connections };
}

/** Works for milliseconds between the turns of Node's loop, as an agent does that catches up, until `done`. */
async function keepBusy(done: Promise<unknown>): Promise<void> {
  let working = true;
  void done.finally(() => {
    working = false;
  });
  while (working) {
    const until = performance.now() + 3;
    while (performance.now() < until);
    await setImmediate();
  }
}

test("connections are used again however busy we are: an answer may come before Node says that its request was written", async () => {
  const { url, connections } = await busyServer();
  const http = client({ urls: [url] });
  const body = Buffer.alloc(4 * 1024 * 1024);
  const post = async () => {
    for (let i = 0; i < 15; i++) await http.request({ method: "POST", path: "", body });
  };
  const posted = Promise.all([post(), post(), post(), post()]);
  await keepBusy(posted);
  await posted;
  // One for each that posts, or hardly more: a connection is free a moment after its request is over.
  expect(await connections()).toBeLessThan(8);
});

test("an answer that comes before the body was read is an answer, and the next request works", async () => {
  let asked = 0;
  const url = await serve((request, response) => {
    if (asked++ === 0) response.writeHead(413).end("too large");
    else request.resume().on("end", () => response.end("ok"));
  });
  const http = client({ urls: [url] });
  const body = Buffer.alloc(32 * 1024 * 1024);
  expect(await http.request({ method: "POST", path: "", body })).toMatchObject({ status: 413 });
  expect(await http.request({ method: "POST", path: "", body })).toMatchObject({ status: 200 });
});

test("a server that answers and hangs up before the body was read ends nothing but the connection", async () => {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.pause();
      socket.write("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", () => socket.destroy());
    });
  });
  const http = client({ urls: [await serve(server)] });
  const crashes: Error[] = [];
  const crash = (error: Error) => void crashes.push(error);
  process.on("uncaughtException", crash);
  onTestFinished(() => void process.off("uncaughtException", crash));
  const body = Buffer.alloc(5 * 1024 * 1024);
  for (let i = 0; i < 20; i++) {
    await http.request({ method: "POST", path: "", body }).catch((error: Error) => {
      expect(error.message).toContain("connection closed before");
    });
  }
  expect(crashes).toEqual([]);
});

test.each(ENDS)("a body is not read any more when its request is over: %s", async (end) => {
  const server = new LateReader(end);
  const url = await serve(server.listener);
  const http = client({ urls: [url], timeout: end === "late" ? 2000 : 20_000 });
  const { bytes, spoilt } = await server.run((sending) => http.request({ method: "POST", path: "", ...sending }));
  expect(bytes).toBeGreaterThan(0);
  expect(spoilt).toBe(false);
});

test("any status is an answer, and a redirect is not followed", async () => {
  const { url: target, seen } = await recorder();
  const url = await serve((_, response) => response.writeHead(307, { location: target }).end());
  const answer = await client({ urls: [url], auth: { token: "secret" } }).request(get);
  expect(answer).toMatchObject({ status: 307, headers: { location: target } });
  expect(seen).toEqual([]);
});

test("an endless answer is cut at the bound", async () => {
  const url = await serve((_, response) => {
    const more = () => {
      while (response.write(Buffer.alloc(65_536, "x")));
    };
    response.on("drain", more);
    more();
  });
  const answer = await client({ urls: [url] }).request({ ...get, maxAnswer: 100_000 });
  expect(answer.truncated).toBe(true);
  expect(answer.body).toHaveLength(100_000);
});

test("an answer as long as the bound is whole", async () => {
  const url = await serve((_, response) => response.end(Buffer.alloc(1000, "x")));
  const answer = await client({ urls: [url] }).request({ ...get, maxAnswer: 1000 });
  expect(answer).toMatchObject({ truncated: false });
});

test("a server that never answers, or never ends its answer, is given up after the timeout", async () => {
  const silent = await serve(() => {});
  const slow = await serve((_, response) => void response.write("{"));
  await expect(client({ urls: [silent], timeout: 1000 }).request(get)).rejects.toThrow(
    `no complete answer within 1 s (${silent})`,
  );
  await expect(client({ urls: [slow], timeout: 1000 }).request(get)).rejects.toThrow("no complete answer within 1 s");
});

test("what took too long is a TimeoutError, as anybody's; nothing else is", async () => {
  const silent = await serve(() => {});
  const late = client({ urls: [await deadUrl(), silent], timeout: 100 }).request(get);
  await expect(late).rejects.toMatchObject({ name: "TimeoutError" });
  await expect(client({ urls: [await deadUrl()] }).request(get)).rejects.toMatchObject({ name: "Error" });
  const cut = await serve((_, response) => void response.destroy());
  await expect(client({ urls: [cut] }).request(get)).rejects.toMatchObject({ name: "Error" });
});

test("a server that switches protocols in place of an answer is an error, not waited for without end", async () => {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
    );
  });
  const url = await serve(server);
  for (const method of ["POST", "HEAD"] as const) {
    await expect(client({ urls: [url] }).request({ method, path: "/" })).rejects.toThrow(
      `connection closed before the answer was complete (${url})`,
    );
  }
});

test("an aborted request ends at once", async () => {
  const url = await serve(() => {});
  const abort = new AbortController();
  const request = client({ urls: [url] }).request({ ...get, signal: abort.signal });
  abort.abort();
  await expect(request).rejects.toThrow(`stopped (${url})`);
});

test("neither path nor credentials nor headers stand in an error", async () => {
  const dead = await deadUrl();
  const http = client({
    urls: [`${dead}/hooks/hunter2?key=hunter2`],
    auth: { username: "ann", password: "hunter2" },
    headers: { "x-key": "hunter2" },
  });
  const error = (await http.request(get).catch((cause: Error) => cause)) as Error;
  expect(error.message).toBe(`connection refused (${dead})`);
  const bad = client({ urls: [dead], auth: { token: "hunter2\nx: y" } });
  const refused = (await bad.request(get).catch((cause: Error) => cause)) as Error;
  expect(refused.message).not.toContain("hunter2");
});

test("a client that does not verify certificates says so once", async () => {
  const warnings: string[] = [];
  const { url } = await recorder();
  const http = client({ urls: [url], tls: { insecureSkipVerify: true } }, warnings);
  await http.request(get);
  await http.request(get);
  expect(warnings).toEqual(["Server certificates are not verified (tls.insecureSkipVerify)."]);
});

test.each([
  ["a URL with credentials", { urls: ["http://ann:secret@es:9200"] }],
  ["a URL that is none", { urls: ["es:9200"] }],
  ["no URL", { urls: [] }],
  ["two kinds of credentials", { urls: ["http://es"], auth: { token: "a", apiKey: "b" } }],
  ["a user without a password", { urls: ["http://es"], auth: { username: "ann" } }],
  ["a certificate without its key", { urls: ["http://es"], tls: { certFile: "a.pem" } }],
])("options with %s are refused", (_, options) => {
  expect(z.strictObject(httpShape(z)).safeParse(options).success).toBe(false);
});

test("options as documented are taken, with a timeout of 30 s", () => {
  const options = { urls: ["https://es:9200"], auth: { apiKeyFile: "key" }, tls: { caFile: "ca.crt" } };
  expect(z.strictObject(httpShape(z)).parse(options)).toEqual({ ...options, timeout: 30_000 });
});
