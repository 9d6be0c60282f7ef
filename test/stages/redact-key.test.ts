import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
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
  it("is read again when its file is replaced, without a restart; an invalid file leaves the old key in use", async () => {
    let now = 0;
    const own = stageHost({ resolve: (path) => join(directory, path), now: () => now });
    const replace = (text: string) => {
      writeFileSync(join(directory, "new"), text);
      renameSync(join(directory, "new"), join(directory, "key"));
      now += 60_000;
    };
    replace("0123456789abcdef");
    const stage = (await redact.create(redactOptions({ hash: { keyFile: "key" } }), own)) as Stage;
    const id = async () => {
      const batch = loadEvents({ requestObject: { env: [{ name: "A", value: "x" }] }, requestURI: "/x?token=x" });
      await stage.run(batch);
      return [...documentOf(batch).matchAll(/hmac:([\w-]+):/g)].map((match) => match[1]);
    };
    const first = await id();
    expect(new Set(first).size).toBe(1);
    replace("another key of 16");
    const second = await id();
    expect(second).toEqual([expect.not.stringMatching(first[0]), second[0]]);
    replace("short");
    expect(await id()).toEqual(second);
    expect(own.warnings).toEqual([expect.stringContaining("the old one stays")]);
    replace("0123456789abcdef");
    expect(await id()).toEqual(first);
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
  it("has no other options than keyFile and scope", () => {
    expect(() => redactOptions({ hash: { key: "inline" } })).toThrow();
    expect(() => redactOptions({ hash: { scope: "node" } })).toThrow();
  });
});
