import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import redact from "../../plugins/stages/redact.js";
import type { Stage } from "../../src/plugin/index.js";
import { documentOf, loadEvents, redactOptions, stageHost } from "./support.js";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "redact-key-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const host = () => stageHost({ stateDirectory: () => directory, resolve: (path) => join(directory, path) });

/** What the stage makes of one value. */
async function hashed(options: object, own = host()): Promise<string> {
  const stage = (await redact.create(redactOptions(options), own)) as Stage;
  const batch = loadEvents({
    objectRef: { resource: "secrets", namespace: "n" },
    requestObject: { stringData: { a: "x" } },
  });
  await stage.run(batch);
  return JSON.parse(documentOf(batch)).requestObject.stringData.a;
}

describe("The key of the hashes", () => {
  it("comes from the key file; equal keys give equal hashes, whatever newline ends the file", async () => {
    writeFileSync(join(directory, "a"), "0123456789abcdef");
    writeFileSync(join(directory, "b"), "0123456789abcdef\r\n");
    writeFileSync(join(directory, "c"), "another key of 16");
    const [a, b, c] = await Promise.all(["a", "b", "c"].map((keyFile) => hashed({ hash: { keyFile } })));
    expect(a).toBe(b);
    expect(a).toMatch(/^hmac:[\w-]{8}:[\w-]{22}$/);
    expect(c.split(":")[1]).not.toBe(a.split(":")[1]);
    expect(c.split(":")[2]).not.toBe(a.split(":")[2]);
  });
  it("is made once for this node without a key file, readable by its owner only, and a warning says so", async () => {
    const own = host();
    const first = await hashed({}, own);
    expect(own.warnings).toEqual([expect.stringContaining("this node only")]);
    expect(statSync(join(directory, "hash.key")).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(directory, "hash.key")).length).toBeGreaterThanOrEqual(32);
    expect(await hashed({})).toBe(first);
  });
  it("must be there and long enough", async () => {
    writeFileSync(join(directory, "short"), "0123456789abcde\n");
    await expect(hashed({ hash: { keyFile: "missing" } })).rejects.toMatchObject({ code: "AUDITSHIP_CONFIG_VALUE" });
    await expect(hashed({ hash: { keyFile: "short" } })).rejects.toThrow("15 bytes");
  });
  it("is of no use elsewhere: the options know nothing but keyFile and scope", () => {
    expect(() => redactOptions({ hash: { key: "inline" } })).toThrow();
    expect(() => redactOptions({ hash: { scope: "node" } })).toThrow();
  });
});
