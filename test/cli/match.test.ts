import { mkdir, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { Output } from "../../src/cli/output.js";
import { commandLine } from "./fixture.js";
import { event, RULES } from "./rules.js";

const cli = commandLine();
const write = (name: string, text: string | Buffer) => writeFile(cli.path(name), text);
const found = () =>
  cli.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("match", () => {
  it("reads a directory as the log that it holds, oldest first, a file and its .gz once", async () => {
    await mkdir(cli.path("audit"));
    await write("rules.yaml", RULES);
    await write("audit/audit.log", event("four"));
    await write("audit/audit-2026-11-20T10-00-00.000.log.gz", gzipSync(event("one")));
    await write("audit/audit-2026-11-20T11-00-00.000.log", event("two") + event("three"));
    await write("audit/audit-2026-11-20T11-00-00.000.log.gz", gzipSync(event("two")));
    await write("audit/notes.txt", "nothing\n");
    await write("audit/.hidden.log", event("hidden"));
    expect(await cli.run("match", "--rules", cli.path("rules.yaml"), cli.path("audit"))).toBe(0);
    expect(found().map(({ n, auditID }) => [n, auditID])).toEqual([
      [1, "id-one"],
      [2, "id-two"],
      [3, "id-three"],
      [4, "id-four"],
    ]);
    expect(cli.err).toBe("");
  });

  it.each([
    ["WARNING", 1],
    ["medium", 1],
    ["INFO", 1],
    ["Error", 0],
  ])("ends with what --fail-on %s says of a WARNING: %i", async (priority, code) => {
    await write("rules.yaml", RULES);
    await write("a.log", event("one"));
    const args = ["match", "--rules", cli.path("rules.yaml"), "--fail-on", priority, cli.path("a.log")];
    expect(await cli.run(...args)).toBe(code);
    expect(found()).toHaveLength(1);
  });

  it("refuses --fail-on with what is no priority", async () => {
    expect(await cli.run("match", "--rules", cli.path("x"), "--fail-on", "WARNIN", cli.path("a.log"))).toBe(2);
    expect(cli.err).toContain("--fail-on WARNIN is no priority; did you mean WARNING?");
  });

  it("reads like as --like says", async () => {
    await write("rules.yaml", RULES.replace('ObjectRef.Resource = "secrets"', 'ObjectRef.Resource like "ecret"'));
    await write("a.log", event("one"));
    const args = ["match", "--summary", "--rules", cli.path("rules.yaml"), cli.path("a.log")];
    await cli.run(...args);
    await cli.run(...args, "--like", "anchored");
    expect(cli.out.match(/\d+ matches of/g)).toEqual(["1 matches of", "0 matches of"]);
  });

  it("matches the original and shows what would leave with --redact", async () => {
    await write("rules.yaml", RULES);
    await write("a.log", event("one", { requestObject: { kind: "Secret", data: { token: "hunter2" } } }));
    const args = ["match", "--rules", cli.path("rules.yaml"), cli.path("a.log")];
    await cli.run(...args);
    expect(found()[1].message).toBe("token hunter2");
    cli.out = "";
    expect(await cli.run(...args, "--redact", "default")).toBe(0);
    expect(found()[1].message).toMatch(/^token hmac:/);
    expect(cli.out).not.toContain("hunter2");
    cli.out = "";
    expect(await cli.run(...args, "--redact", "strict")).toBe(0);
    expect(found()[1].message).toBe(`token {"kind":"Secret"}`);
  });

  it("redacts with the key of a configuration, the same each time", async () => {
    await write("rules.yaml", RULES);
    await write("key", "0123456789abcdef");
    await write("a.log", event("one", { requestObject: { kind: "Secret", data: { token: "hunter2" } } }));
    await write(
      "auditship.yaml",
      "sources: { a: { path: a.log } }\nsinks: { s: { type: stdout } }\nstages: [match, { redact: { hash: { keyFile: key } } }]\n",
    );
    const messages: string[] = [];
    for (let time = 0; time < 2; time++) {
      cli.out = "";
      const profile = ["--redact", cli.path("auditship.yaml")];
      await cli.run("match", "--rules", cli.path("rules.yaml"), ...profile, cli.path("a.log"));
      messages.push(found()[1].message);
    }
    expect(messages[0]).toMatch(/^token hmac:/);
    expect(messages[1]).toBe(messages[0]);
  });

  it("refuses to redact by a configuration that does not", async () => {
    await write("auditship.yaml", "sources: { a: { path: a.log } }\nsinks: { s: { type: stdout } }\nstages: [match]\n");
    expect(await cli.run("match", "--rules", "x", "--redact", cli.path("auditship.yaml"), "a.log")).toBe(2);
    expect(cli.err).toContain("the configuration has no redact stage");
  });
});

describe("fields", () => {
  it("shows what would leave with --redact", async () => {
    await write("a.log", event("one", { requestObject: { kind: "Secret", data: { token: "hunter2" } } }));
    const token = "jevt.value[/requestObject/data/token]";
    const args = ["fields", "--dialect", "falco", "--field", token, cli.path("a.log")];
    await cli.run(...args);
    expect(found()[0].fields[token]).toBe("hunter2");
    cli.out = "";
    expect(await cli.run(...args, "--redact", "default")).toBe(0);
    expect(found()[0].fields[token]).toMatch(/^hmac:/);
    expect(cli.out).not.toContain("hunter2");
  });
});

describe("progress", () => {
  const [out, err] = [process.stdout.isTTY, process.stderr.isTTY];
  afterEach(() => {
    process.stdout.isTTY = out;
    process.stderr.isTTY = err;
  });

  it("stands on one line of a terminal, and makes way for what else is shown", () => {
    process.stderr.isTTY = true;
    process.stdout.isTTY = true;
    const output = new Output();
    output.progress("1 event");
    output.progress("2 events");
    output.complain("odd");
    output.progress("3 events");
    output.print("match\n");
    expect(cli.err).toBe("\r1 event\x1b[K\r2 events\x1b[K\r\x1b[Kauditship: odd\n\r3 events\x1b[K\r\x1b[K");
    expect(cli.out).toBe("match\n");
  });

  it("is not shown to a file", () => {
    process.stderr.isTTY = false;
    new Output().progress("1 event");
    expect(cli.err).toBe("");
  });
});
