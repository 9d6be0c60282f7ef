import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { isCertificateChain, readRequest } from "../../plugins/stages/redact/certificate-request.js";
import { CHALLENGE, certificateRequest, NAMES } from "./certificates.js";
import { documentOf, loadEvents, redactStage } from "./support.js";

const base64 = (text: string) => Buffer.from(text).toString("base64");

describe("A certificate request", () => {
  it("says for whom it is", () => {
    expect(readRequest(base64(certificateRequest()))).toEqual({
      subject: "O=dev,CN=jane",
      names: ["DNS:a.shop", "IP:10.0.0.1"],
    });
  });
  it("is refused if there is anything beside it, or unnecessary in it", () => {
    const pem = certificateRequest();
    expect(readRequest(base64(certificateRequest([])))).toEqual({ subject: "O=dev,CN=jane", names: [] });
    for (const other of [
      certificateRequest([NAMES, CHALLENGE]),
      `${pem}secret`,
      `secret\n${pem}`,
      pem.slice(0, -40),
      "secret",
      "",
    ]) {
      expect(readRequest(base64(other))).toBeUndefined();
    }
    expect(readRequest(pem)).toBeUndefined();
  });
  it("stays in the document, which names subject and names", () => {
    const request = base64(certificateRequest());
    const body = { kind: "CertificateSigningRequest", metadata: { name: "n" }, spec: { request, signerName: "s" } };
    const batch = loadEvents({ objectRef: { resource: "certificatesigningrequests" }, requestObject: body });
    redactStage().run(batch);
    const { requestObject, auditship } = JSON.parse(documentOf(batch));
    expect(requestObject).toEqual(body);
    expect(auditship).toMatchObject({ csrSubject: "O=dev,CN=jane", csrNames: ["DNS:a.shop", "IP:10.0.0.1"] });
  });
});

describe.skipIf(!hasOpenssl())("OpenSSL's certificates", () => {
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { stdio: ["ignore", "pipe", "ignore"] }).toString();
  const key = ["-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null"];

  it("requests are read, with and without names", () => {
    const plain = openssl("req", "-new", ...key, "-subj", "/O=system:nodes/CN=system:node:a");
    expect(readRequest(base64(plain))).toEqual({ subject: "O=system:nodes,CN=system:node:a", names: [] });
    const named = openssl(
      "req",
      "-new",
      ...key,
      "-subj",
      "/CN=a",
      "-addext",
      "subjectAltName=DNS:b,IP:::1,URI:spiffe://c",
    );
    expect(readRequest(base64(named))).toEqual({ subject: "CN=a", names: ["DNS:b", "IP:::1", "URI:spiffe://c"] });
  });
  it("are recognised as a chain, and nothing else is", () => {
    const pem = openssl("req", "-x509", ...key, "-subj", "/CN=a", "-days", "1");
    expect(isCertificateChain(base64(pem))).toBe(true);
    expect(isCertificateChain(base64(pem + pem))).toBe(true);
    for (const other of [`${pem}x`, `x\n${pem}`, "x", ""]) expect(isCertificateChain(base64(other))).toBe(false);
  });
});

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"]);
    return true;
  } catch {
    return false;
  }
}
