import { writeFile } from "node:fs/promises";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type AdminServer, adminServer } from "../support/admin-server.js";
import { commandLine } from "./fixture.js";

const cli = commandLine();
const terminals = [process.stdin, process.stdout] as { isTTY?: boolean }[];
const before = terminals.map(({ isTTY }) => isTTY);

/** Whether a person seems to have called. */
function atTerminal(...are: boolean[]): void {
  for (const [index, stream] of terminals.entries()) stream.isTTY = are[index];
}

// What the command imports when it runs takes its time on a busy machine, the first time.
beforeAll(async () => {
  await import("../../src/commands/upkeep.js");
  await import("../../plugins/sinks/elasticsearch/retention.js");
}, 60_000);

afterEach(() => {
  for (const [index, stream] of terminals.entries()) stream.isTTY = before[index];
});

describe("auditship retention", () => {
  let server: AdminServer;
  const run = (...options: string[]) => cli.run("retention", "-c", cli.path("auditship.yaml"), ...options);

  beforeEach(async () => {
    server = await adminServer("opensearch");
    server.indices.add("audit-2020.01.01");
    const sinks = { archive: { type: "elasticsearch", urls: [server.url] }, copy: { type: "stdout" } };
    const config = { sources: { a: { path: "audit.log" } }, state: "state", sinks };
    await writeFile(cli.path("auditship.yaml"), JSON.stringify(config));
  });

  it.each([
    [true, true],
    [false, true],
    [true, false],
  ])("deletes nothing where a person calls it (terminals: %s, %s), and says how to", async (stdin, stdout) => {
    atTerminal(stdin, stdout);
    expect(await run("--sink", "archive")).toBe(0);
    expect(cli.out).toBe(
      "archive: would delete audit-2020.01.01\nnothing was deleted: this was a dry run; add --yes to delete.\n",
    );
    expect(server.indices.size).toBe(1);
  });

  it("deletes with --yes, and says so for each sink", async () => {
    atTerminal(true, true);
    expect(await run("--yes")).toBe(0);
    expect(cli.out).toBe("archive: deleted audit-2020.01.01\ncopy: nothing to delete\n");
    expect(server.indices.size).toBe(0);
  });

  it("deletes where nobody sits at a terminal, unless --dry-run is said", async () => {
    atTerminal(false, false);
    expect(await run("--dry-run")).toBe(0);
    expect([cli.out, server.indices.size]).toEqual([
      "archive: would delete audit-2020.01.01\ncopy: nothing to delete\n",
      1,
    ]);
    expect(await run()).toBe(0);
    expect(server.indices.size).toBe(0);
  });

  it("refuses to be told both", async () => {
    expect(await run("--yes", "--dry-run")).toBe(2);
    expect(server.indices.size).toBe(1);
  });

  it("ends with 1 when a server cannot be asked", async () => {
    const config = { sources: { a: { path: "audit.log" } }, state: "state", sinks: { s: { type: "elasticsearch" } } };
    Object.assign(config.sinks.s, { urls: ["http://127.0.0.1:1"] });
    await writeFile(cli.path("auditship.yaml"), JSON.stringify(config));
    expect(await run("--yes")).toBe(1);
    expect(cli.out).toBe("");
    expect(cli.err).toMatch(/^auditship: s: failed: GET .+ \(AUDITSHIP_RETENTION\)$/m);
  });
});

describe("auditship setup --print", () => {
  it("prints for each sink what would be sent, and asks nobody", async () => {
    const sinks = { archive: { type: "elasticsearch", urls: ["http://127.0.0.1:1"] }, copy: { type: "stdout" } };
    await writeFile(cli.path("auditship.yaml"), JSON.stringify({ sources: { a: { path: "audit.log" } }, sinks }));
    expect(await cli.run("setup", "-c", cli.path("auditship.yaml"), "--print")).toBe(0);
    expect(cli.out.match(/^(#|PUT).*$/gm)).toEqual([
      "# archive",
      "# Elasticsearch",
      "PUT /_ilm/policy/auditship-audit-daily",
      "PUT /_index_template/auditship-audit-daily",
      "# OpenSearch",
      "PUT /_plugins/_ism/policies/auditship-audit-daily",
      "PUT /_index_template/auditship-audit-daily",
      "# copy: nothing to set up",
    ]);
  });
});
