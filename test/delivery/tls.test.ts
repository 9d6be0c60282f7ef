import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { createServer, type Server } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { createHttp } from "../../src/delivery/http.js";
import { type HttpOptions, httpShape } from "../../src/plugin/index.js";
import { quietHost } from "../support/far-end.js";
import { ENDS, LateReader } from "../support/late-reader.js";
import { serve as listen } from "../support/serve.js";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const get = { method: "GET", path: "" } as const;

describe.skipIf(!hasOpenssl)("TLS", () => {
  let directory: string;
  let server: Server;
  const at = (name: string) => join(directory, name);

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "auditship-tls-"));
    const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, stdio: "pipe" });
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test CA", "-days", "2");
    for (const name of ["localhost", "first", "second"]) {
      openssl(
        "req",
        ...key,
        "-keyout",
        `${name}.key`,
        "-out",
        `${name}.csr`,
        "-subj",
        `/CN=${name}`,
        "-addext",
        "subjectAltName=DNS:localhost",
      );
      openssl(
        "x509",
        "-req",
        "-in",
        `${name}.csr`,
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-copy_extensions",
        "copy",
        "-out",
        `${name}.crt`,
        "-days",
        "2",
      );
    }
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** Answers with the name in the client's certificate. */
  const nameOf: RequestListener = (request, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate();
    response.end(String(subject?.CN ?? "nobody"));
  };

  async function serve(requestCert: boolean, listener = nameOf): Promise<string> {
    const [key, cert, ca] = ["localhost.key", "localhost.crt", "ca.crt"].map((name) => readFileSync(at(name)));
    server = createServer({ key, cert, ca, requestCert, rejectUnauthorized: requestCert }, listener);
    return (await listen(server)).replace("http://127.0.0.1", "https://localhost");
  }

  function client(options: HttpOptions) {
    const http = createHttp(options, { ...quietHost("archive"), resolve: at });
    onTestFinished(() => http.close());
    return http;
  }

  test("a server with a certificate of a private CA is trusted with its caFile only", async () => {
    const url = await serve(false);
    expect((await client({ urls: [url], tls: { caFile: "ca.crt" } }).request(get)).status).toBe(200);
    await expect(client({ urls: [url] }).request(get)).rejects.toThrow(/certificate.*\(https:\/\/localhost:/);
    const careless = client({ urls: [url], tls: { insecureSkipVerify: true } });
    expect((await careless.request(get)).status).toBe(200);
  });

  test("a private CA may stand in the configuration itself, PEM in base64 as Kubernetes has it", async () => {
    const caBundle = readFileSync(at("ca.crt")).toString("base64");
    const url = await serve(false);
    expect((await client({ urls: [url], tls: { caBundle } }).request(get)).status).toBe(200);
    const parse = (tls: object) => z.strictObject(httpShape(z)).safeParse({ urls: [url], tls });
    expect(parse({ caBundle }).error).toBeUndefined();
    expect(parse({ caBundle: "bm8gUEVN" }).error?.message).toContain("expected certificates (PEM) in base64");
    expect(parse({ caBundle, caFile: "ca.crt" }).error?.message).toContain("one of caFile and caBundle");
  });

  test("a server whose certificate is not for its name is refused, unless that name is expected", async () => {
    const url = (await serve(false)).replace("localhost", "127.0.0.1");
    await expect(client({ urls: [url], tls: { caFile: "ca.crt" } }).request(get)).rejects.toThrow("altnames");
    const named = client({ urls: [url], tls: { caFile: "ca.crt", serverName: "localhost" } });
    expect((await named.request(get)).status).toBe(200);
  });

  test.each(ENDS)("a body is not read any more when its request is over: %s", async (end) => {
    const server = new LateReader(end);
    const url = await serve(false, server.listener);
    const http = client({ urls: [url], tls: { caFile: "ca.crt" }, timeout: end === "late" ? 3000 : 20_000 });
    const { bytes, spoilt } = await server.run((sending) => http.request({ method: "POST", path: "", ...sending }));
    expect(bytes).toBeGreaterThan(0);
    expect(spoilt).toBe(false);
  });

  test("a client certificate that is renewed is used for the next request", async () => {
    const url = await serve(true);
    await copyFile(at("first.crt"), at("client.crt"));
    await copyFile(at("first.key"), at("client.key"));
    const http = client({ urls: [url], tls: { caFile: "ca.crt", certFile: "client.crt", keyFile: "client.key" } });
    const name = async () => Buffer.from((await http.request(get)).body).toString();
    expect(await name()).toBe("first");
    await copyFile(at("second.crt"), at("client.crt"));
    await copyFile(at("second.key"), at("client.key"));
    expect(await name()).toBe("second");
  });

  test("a server whose certificate is renewed by another CA is trusted when the caFile is renewed, too", async () => {
    const own = ["-keyout", "renewed.key", "-out", "renewed.crt", "-subj", "/CN=localhost", "-days", "2"];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    execFileSync("openssl", ["req", "-x509", ...key, ...own, "-addext", "subjectAltName=DNS:localhost"], {
      cwd: directory,
      stdio: "pipe",
    });
    const url = await serve(false);
    await copyFile(at("ca.crt"), at("trusted.crt"));
    const http = client({ urls: [url], tls: { caFile: "trusted.crt" } });
    expect((await http.request(get)).status).toBe(200);
    server.setSecureContext({ key: readFileSync(at("renewed.key")), cert: readFileSync(at("renewed.crt")) });
    server.closeAllConnections();
    await expect(http.request(get)).rejects.toThrow(/certificate|closed/);
    await copyFile(at("renewed.crt"), at("trusted.crt"));
    expect((await http.request(get)).status).toBe(200);
  });

  test("half of a client certificate that is being renewed fails a request, and the whole one the next no more", async () => {
    const url = await serve(true);
    await copyFile(at("first.crt"), at("client.crt"));
    await copyFile(at("second.key"), at("client.key"));
    const http = client({ urls: [url], tls: { caFile: "ca.crt", certFile: "client.crt", keyFile: "client.key" } });
    await expect(http.request(get)).rejects.toThrow(/mismatch/);
    await copyFile(at("second.crt"), at("client.crt"));
    expect(Buffer.from((await http.request(get)).body).toString()).toBe("second");
  });

  test("an endpoint with a certificate that is not trusted is passed over like one that is down", async () => {
    const url = await serve(false);
    const untrusted = url.replace("localhost", "127.0.0.1");
    const http = client({ urls: [untrusted, url], tls: { caFile: "ca.crt" } });
    expect((await http.request(get)).url).toBe(url);
  });
});
