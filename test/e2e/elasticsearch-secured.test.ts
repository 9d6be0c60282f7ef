import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Load } from "./load.js";
import { nodeDirectory, SCRIPTS, script } from "./scripts.js";
import { eventOf, line, openSink, send, sendAgain } from "./search-sink.js";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const NAME = `auditship-secured-${process.pid}`;
const PASSWORD = "open-sesame";
const signal = new AbortController().signal;
const DONE = { kind: "done" };

describe.skipIf(!SCRIPTS || !hasOpenssl)("an Elasticsearch that asks for client certificates and credentials", () => {
  let directory: string;
  let url: string;
  let up: Promise<string> | undefined;
  let tls: { caFile: string; certFile: string; keyFile: string };
  const at = (name: string) => join(directory, name);
  const environment = () => ({ NAME, PASSWORD, TLS: "1", HEAP: "256m", CURL_HOME: directory });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "auditship-secured-"));
    const config = join(nodeDirectory(NAME), "config");
    up = script("elasticsearch-up", environment(), "xpack.security.http.ssl.client_authentication=required");
    // The script waits for the server with curl, which needs a certificate that the server's own key has signed.
    const written = () => expect(readFileSync(join(config, "http.pem"), "utf8")).toContain("END CERTIFICATE");
    await Promise.race([up, vi.waitFor(written, { timeout: 120_000 })]);
    makeCertificates(config);
    writeFileSync(at(".curlrc"), `cert = "${at("first.crt")}"\nkey = "${at("first.key")}"\n`);
    url = (await up).replace("127.0.0.1", "localhost");
    await copyFile(at("first.crt"), at("client.crt"));
    await copyFile(at("first.key"), at("client.key"));
    tls = { caFile: at("ca.pem"), certFile: at("client.crt"), keyFile: at("client.key") };
  });
  afterAll(async () => {
    // One that is still starting cannot be stopped.
    await up?.catch(() => {});
    await script("elasticsearch-up", environment(), "--stop");
    for (const own of [directory, nodeDirectory(NAME)]) rmSync(own, { recursive: true, force: true });
  });

  function makeCertificates(config: string): void {
    const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, stdio: "pipe" });
    writeFileSync(at("ca.pem"), readFileSync(join(config, "http.pem")));
    const store = ["-in", join(config, "http.p12"), "-passin", "pass:changeit", "-nodes"];
    openssl("pkcs12", ...store, "-nocerts", "-out", "ca.key");
    for (const name of ["first", "second"]) {
      const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${name}.key`];
      openssl("req", ...key, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
      const ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
      openssl("x509", "-req", "-in", `${name}.csr`, ...ca, "-out", `${name}.crt`, "-days", "2");
    }
  }

  /** Asks as the superuser. */
  async function ask<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    const [ca, cert, key] = ["ca.pem", "first.crt", "first.key"].map((name) => readFileSync(at(name)));
    const agent = new Agent({ ca, cert, key });
    const text = body === undefined ? "" : JSON.stringify(body);
    const authorization = `Basic ${Buffer.from(`elastic:${PASSWORD}`).toString("base64")}`;
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text), authorization };
    const answer = await new Promise<string>((resolve, reject) => {
      const asked = request(url + path, { method, agent, headers }, async (response) => {
        let all = "";
        for await (const part of response) all += part;
        resolve(all);
      });
      asked.on("error", reject).end(text);
    });
    return JSON.parse(answer) as Answer;
  }

  /** A key that may do so to indices; base64, as Elasticsearch hands it out. */
  async function apiKey(index: string, ...privileges: string[]): Promise<{ id: string; encoded: string }> {
    const role_descriptors = { writer: { indices: [{ names: [index], privileges }] } };
    return ask("POST", "/_security/api_key", { name: "writer", role_descriptors });
  }

  async function revoke(id: string): Promise<void> {
    expect(await ask("DELETE", "/_security/api_key", { ids: [id] })).toMatchObject({ invalidated_api_keys: [id] });
  }

  async function count(index: string): Promise<number> {
    await ask("POST", `/${index}/_refresh`);
    return (await ask<{ count: number }>("GET", `/${index}/_count`)).count;
  }

  it("takes events by user and password, over TLS with its own CA and a client certificate", async () => {
    writeFileSync(at("password"), `${PASSWORD}\n`);
    const auth = { username: "elastic", passwordFile: at("password") };
    const sink = await openSink({ urls: [url], auth, tls, index: "basic" });
    await sink.probe(signal);
    expect(await send(sink, eventOf(line("basic")))).toEqual([DONE]);
  });

  it("is not spoken to without its CA, and does not speak without a client certificate", async () => {
    const auth = { username: "elastic", password: PASSWORD };
    const { caFile, ...client } = tls;
    const careless = await openSink({ urls: [url], auth, tls: client });
    await expect(careless.probe(signal)).rejects.toThrow(/certificate/);
    const nobody = await openSink({ urls: [url], auth, tls: { caFile } });
    await expect(nobody.probe(signal)).rejects.toThrow(/certificate|closed/);
  });

  it("refuses a wrong password for the whole request, and a missing right for each event", async () => {
    const wrong = await openSink({
      urls: [url],
      auth: { username: "elastic", password: "wrong" },
      tls,
      index: "rights",
    });
    expect(await send(wrong, eventOf(line("wrong")))).toEqual([
      { kind: "retry", slow: true, reason: "the credentials are refused (401 security_exception)" },
    ]);
    await expect(wrong.probe(signal)).rejects.toThrow("refuses the credentials (401)");
    const { encoded } = await apiKey("elsewhere", "create_doc");
    const poor = await openSink({ urls: [url], auth: { apiKey: encoded }, tls, index: "rights" });
    expect(await send(poor, eventOf(line("poor")))).toEqual([
      { kind: "retry", slow: true, reason: "no right to write to the index (403 security_exception)" },
    ]);
  });

  it("takes events to a data stream by a key that may only create, and needs more rights only to look up", async () => {
    const dataStream = "rights-stream";
    const template = { index_patterns: [dataStream], data_stream: {}, priority: 500 };
    await ask("PUT", "/_index_template/rights-stream", template);
    const open = async (...privileges: string[]) => {
      const { encoded } = await apiKey(dataStream, ...privileges);
      return openSink({ urls: [url], auth: { apiKey: encoded }, tls, dataStream });
    };
    const poor = await open("create_doc", "auto_configure");
    const event = eventOf(line("stream"));
    expect(await send(poor, event)).toEqual([DONE]);
    expect(await sendAgain(poor, event)).toMatchObject([
      { kind: "retry", slow: true, reason: expect.stringContaining("no right to look up what is stored") },
    ]);
    const rich = await open("create_doc", "auto_configure", "read", "view_index_metadata");
    expect(await sendAgain(rich, event, eventOf(line("more")))).toEqual([{ kind: "duplicate" }, DONE]);
  });

  it("gets every event once while its API key and the client certificate are replaced under load", async () => {
    const first = await apiKey("rotation", "create_doc", "auto_configure");
    writeFileSync(at("api-key"), first.encoded);
    const load = await Load.on({ urls: [url], auth: { apiKeyFile: at("api-key") }, tls, index: "rotation" });
    const running = load.run();
    await load.delivered(500, running);
    const second = await apiKey("rotation", "create_doc", "auto_configure");
    writeFileSync(at("api-key"), second.encoded);
    await copyFile(at("second.key"), at("client.key"));
    await copyFile(at("second.crt"), at("client.crt"));
    await revoke(first.id);
    await load.delivered(500, running);
    const left = load.end();
    await running;
    expect(await left).toBe(0);
    expect(await count("rotation")).toBe(load.count);
  });

  it("gets every event once though its API key was revoked for a while", async () => {
    const first = await apiKey("revoked", "create_doc", "auto_configure");
    writeFileSync(at("api-key"), first.encoded);
    const load = await Load.on({ urls: [url], auth: { apiKeyFile: at("api-key") }, tls, index: "revoked" });
    const running = load.run();
    await load.delivered(300, running);
    await revoke(first.id);
    await expect
      .poll(() => load.failing, { timeout: 60_000 })
      .toBe("the credentials are refused (401 security_exception)");
    writeFileSync(at("api-key"), (await apiKey("revoked", "create_doc", "auto_configure")).encoded);
    await load.delivered(300, running);
    const left = load.end();
    await running;
    expect(await left).toBe(0);
    expect(await count("revoked")).toBe(load.count);
  });
});
