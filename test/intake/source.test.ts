import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { Agent, request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import webhook, { type IntakeSource } from "../../src/intake/source.js";
import { contextOf, type Recorded, readAll } from "../tail/harness.js";

let directory: string;
let recorded: Recorded;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-intake-"));
  recorded = { log: [], metrics: new Map(), losses: [] };
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
});

async function open(options: object = {}): Promise<IntakeSource> {
  const parsed = webhook.options(z).parse({ listen: "127.0.0.1:0", auth: "none", ...options });
  const context = { ...contextOf(recorded, {}), stateDirectory: () => join(directory, "spool") };
  const source = (await webhook.open(parsed, context)) as IntakeSource;
  onTestFinished(() => source.close());
  source.begin();
  return source;
}

interface Post extends RequestOptions {
  body?: string;
  /** Sent without its length. */
  chunked?: boolean;
  tls?: object;
}

async function post(
  source: IntakeSource,
  { body = "", chunked, tls, headers, port = source.server!.port, ...more }: Post = {},
) {
  const options = { host: "127.0.0.1", port, method: "POST", path: "/audit/webhook/event" };
  const length = chunked ? {} : { "content-length": body.length };
  const all = { ...options, agent: false, ...more, ...tls, headers: { ...length, ...headers } };
  const request = (tls ? httpsRequest : httpRequest)(all).end(body);
  const [response] = await once(request, "response");
  return { status: response.statusCode as number, headers: response.headers, text: await text(response) };
}

const list = (...ids: string[]) =>
  JSON.stringify({ kind: "EventList", apiVersion: "audit.k8s.io/v1", items: ids.map((auditID) => ({ auditID })) });
/** The spool's active file without the blank line that it begins with. */
const spooled = async () => (await readFile(join(directory, "spool", "audit.log"), "utf8")).trimStart();
const outcome = (name: string) => recorded.metrics.get(`auditship_intake_bodies_total{apiserver,${name}}`);

describe("a webhook source", () => {
  it.each(["/audit/webhook/event", "/audit/webhook/event?timeout=30s", "/?timeout=30s"])(
    "takes what is posted to %s, and gives it to its readers",
    async (path) => {
      const source = await open();
      expect(await post(source, { path, body: list("1", "2") })).toMatchObject({ status: 200 });
      const reader = await source.reader({ at: "beginning" });
      expect((await readAll(reader, 32)).trimStart()).toBe('{"auditID":"1"}\n{"auditID":"2"}\n');
      expect(outcome("stored")).toBe(1);
    },
  );

  it("answers 200 to a body that comes again, and keeps it once", async () => {
    const source = await open();
    await post(source, { body: list("1") });
    expect(await post(source, { body: list("1") })).toMatchObject({ status: 200, text: "stored before\n" });
    expect(await spooled()).toBe('{"auditID":"1"}\n');
    expect(outcome("repeated")).toBe(1);
  });

  it.each<[string, Post, number]>([
    ["no list", { body: '{"kind":"Event"}' }, 400],
    ["another path", { path: "/other" }, 404],
    ["another method", { method: "GET" }, 405],
    ["a larger body than maxBody", { body: list("x".repeat(2000)) }, 413],
    ["a larger body whose length it is not told", { body: list("x".repeat(2000)), chunked: true }, 413],
    ["a compressed body", { body: "x", headers: { "content-encoding": "gzip" } }, 415],
  ])("refuses %s", async (_, request, status) => {
    const source = await open({ maxBody: 1000 });
    expect((await post(source, request)).status).toBe(status);
    expect(await spooled()).toBe("");
  });

  it.each([
    ["that is announced", "content-length: 32000000\r\n\r\n", ""],
    ["that is not", "transfer-encoding: chunked\r\n\r\n1e84800\r\n", "\r\n0\r\n\r\n"],
  ])(
    "lets who reads its answer only when all is sent have it: to a larger body than maxBody %s",
    async (_, head, end) => {
      const source = await open({ maxBody: 1000 });
      const socket = connect(source.server!.port, "127.0.0.1");
      socket.write(`POST / HTTP/1.1\r\nhost: x\r\n${head}`);
      socket.write(Buffer.alloc(32_000_000, "x"));
      await new Promise<void>((sent, failed) => socket.once("error", failed).write(end, () => sent()));
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 413 /);
    },
  );

  it("gives all that is posted where each file of the spool begins with the same event", async () => {
    const source = await open({ spoolSize: 1000 });
    const bodies = [1, 2, 3].map((n) => ["again", `${n}`.padStart(120, "0")]);
    for (const body of bodies) expect((await post(source, { body: list(...body) })).status).toBe(200);
    source.measure();
    const reader = await source.reader({ at: "beginning" });
    const text = await readAll(reader, recorded.metrics.get("auditship_intake_spool_bytes{apiserver}"));
    expect(text.match(/\d{120}/g)).toEqual(bodies.map(([, last]) => last));
  });

  it("asks to send again later what finds the spool full, and takes it when its readers are past the rest", async () => {
    const source = await open({ spoolSize: 400 });
    const bodies = Array.from({ length: 30 }, (_, n) => list(`${n}`.padStart(10, "0")));
    let stored = 0;
    while ((await post(source, { body: bodies[stored] })).status === 200) stored++;
    expect(stored).toBeLessThan(20);
    expect(await post(source, { body: bodies[stored] })).toMatchObject({
      status: 429,
      headers: { "retry-after": "5" },
    });
    expect(outcome("full")).toBe(2);
    const reader = await source.reader({ at: "beginning" });
    source.measure();
    await readAll(reader, recorded.metrics.get("auditship_intake_spool_bytes{apiserver}"));
    await expect
      .poll(async () => {
        source.release(reader.position()!);
        return (await post(source, { body: bodies[stored] })).status;
      })
      .toBe(200);
  });

  it("refuses for good what its spool would never have room for", async () => {
    const source = await open({ spoolSize: 1000 });
    expect(await post(source, { body: list("x".repeat(1000)) })).toMatchObject({
      status: 413,
      text: expect.stringContaining("250 bytes; see maxBody, spoolSize"),
    });
    expect(outcome("too-large")).toBe(1);
  });

  it("asks to send again what comes quicker than its rate", async () => {
    const source = await open({ rate: "10B/s" });
    expect((await post(source, { body: list("1") })).status).toBe(200);
    expect(await post(source, { body: list("2") })).toMatchObject({ status: 429, headers: { "retry-after": "1" } });
    expect(outcome("busy")).toBe(1);
  });

  it("says which spool it cannot have", async () => {
    await writeFile(join(directory, "file"), "");
    const spool = join(directory, "file", "spool");
    await expect(open({ spool })).rejects.toMatchObject({
      code: "AUDITSHIP_SOURCE_SPOOL",
      message: expect.stringContaining(spool),
    });
  });

  it("is not disturbed by who connects and sends half a request", async () => {
    const source = await open();
    const socket = connect(source.server!.port, "127.0.0.1");
    await once(socket.resume(), "connect");
    socket.end(`POST /audit/webhook/event HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"items":[{`);
    await once(socket, "close");
    expect((await post(source, { body: list("1") })).status).toBe(200);
    expect(await spooled()).toBe('{"auditID":"1"}\n');
  });

  it("closes though somebody has sent half a request and waits", async () => {
    const source = await open();
    const sockets = ["POST / HTTP/1.1\r\n", `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"`].map((half) => {
      const socket = connect(source.server!.port, "127.0.0.1").resume();
      const cut = new Promise((closed) => socket.on("error", () => {}).on("close", closed));
      return { cut, sent: new Promise((sent) => socket.write(half, sent)) };
    });
    for (const { sent } of sockets) await sent;
    await source.close();
    for (const { cut } of sockets) await cut;
  });

  it("closes though somebody posts on and on over one connection: what it has answered is kept", async () => {
    const source = await open();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const answered: string[] = [];
    const { port } = source.server!;
    const ended = (async () => {
      for (let n = 0; ; n++) {
        await post(source, { body: list(`${n}`), agent, port });
        answered.push(`{"auditID":"${n}"}\n`);
      }
    })().catch(({ code }) => code);
    await expect.poll(() => answered.length).toBeGreaterThan(3);
    await source.close();
    expect(await ended).toMatch("ECONN");
    expect(await spooled()).toBe(answered.join(""));
  });

  it("wants to be told who may post", async () => {
    await expect(open({ auth: undefined })).rejects.toThrow("say who may post");
  });

  it("warns where everybody may, and where nothing is encrypted", async () => {
    await open();
    expect(recorded.log.filter(({ level }) => level === "warn").map(({ message }) => message)).toEqual([
      expect.stringContaining("auth: none"),
      expect.stringContaining("clear text"),
    ]);
  });

  it("takes from who shows the token, also when it was renewed", async () => {
    const tokenFile = join(directory, "token");
    await writeFile(tokenFile, "first\n");
    const source = await open({ auth: { tokenFile } });
    const bearer = (token: string) => ({ body: list(token), headers: { authorization: `Bearer ${token}` } });
    expect((await post(source, { body: list("1") })).status).toBe(401);
    expect((await post(source, bearer("second"))).status).toBe(401);
    expect((await post(source, bearer("first"))).status).toBe(200);
    await writeFile(tokenFile, "second");
    expect((await post(source, bearer("first"))).status).toBe(401);
    expect((await post(source, bearer("second"))).status).toBe(200);
    expect(outcome("denied")).toBe(3);
  });

  it("says that it cannot tell who may post while the token cannot be read, and takes nothing", async () => {
    const tokenFile = join(directory, "none");
    const source = await open({ auth: { tokenFile } });
    const answer = await post(source, { body: list("1"), headers: { authorization: "Bearer undefined" } });
    expect(answer.status).toBe(503);
  });
});

describe.skipIf(spawnSync("openssl", ["version"]).status !== 0)("a webhook source with TLS", () => {
  beforeEach(async () => {
    const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, stdio: "pipe" });
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    for (const name of ["server", "client", "stranger"]) {
      openssl("req", "-x509", ...key, "-keyout", `${name}.key`, "-out", `${name}.crt`, "-subj", `/CN=${name}`);
    }
    await chmod(join(directory, "server.key"), 0o600);
  });
  const at = (name: string) => join(directory, name);
  const server = () => ({ certFile: at("server.crt"), keyFile: at("server.key") });
  const client = async (name?: string) => ({
    ca: await readFile(at("server.crt")),
    checkServerIdentity: () => undefined,
    ...(name && { cert: await readFile(at(`${name}.crt`)), key: await readFile(at(`${name}.key`)) }),
  });

  it("takes from a client whose certificate its CA knows, and from no other", async () => {
    const source = await open({ auth: undefined, tls: { ...server(), clientCaFile: at("client.crt") } });
    expect((await post(source, { body: list("1"), tls: await client("client") })).status).toBe(200);
    expect((await post(source, { body: list("2"), tls: await client("stranger") })).status).toBe(401);
    expect((await post(source, { body: list("3"), tls: await client() })).status).toBe(401);
    expect(recorded.log.filter(({ level }) => level === "warn")).toEqual([]);
  });

  it("takes from who shows the token in place of a certificate, if it knows both", async () => {
    await writeFile(at("token"), "secret");
    const source = await open({
      auth: { tokenFile: at("token") },
      tls: { ...server(), clientCaFile: at("client.crt") },
    });
    const tls = await client();
    const headers = { authorization: "Bearer secret" };
    expect((await post(source, { body: list("1"), tls, headers })).status).toBe(200);
    expect((await post(source, { body: list("2"), tls: await client("client") })).status).toBe(200);
    expect((await post(source, { body: list("3"), tls })).status).toBe(401);
  });

  it("says which file is missing", async () => {
    await expect(open({ tls: { ...server(), keyFile: at("none") } })).rejects.toMatchObject({
      code: "AUDITSHIP_CONFIG_VALUE",
      message: expect.stringContaining("tls.keyFile"),
    });
  });
});
