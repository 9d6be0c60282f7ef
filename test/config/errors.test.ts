import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { loadConfig } from "../../src/config/load.js";
import { complaints, minimal } from "./fixture.js";

describe("an error in the configuration", () => {
  it("names an unknown key of a sink, its line and column, and the key that was meant", async () => {
    expect(await complaints(minimal("    selct: all\n"))).toEqual([
      'config.yaml:8:5: unknown key "selct" in sinks.archive. Did you mean "select"? (AUDITSHIP_CONFIG_KEY)',
    ]);
  });

  it("suggests a plugin's own keys as well as the host's", async () => {
    expect(await complaints(minimal("    retension: 7d\n"))).toEqual([
      'config.yaml:8:5: unknown key "retension" in sinks.archive. Did you mean "retention"? (AUDITSHIP_CONFIG_KEY)',
    ]);
  });

  it("suggests keys inside nested objects", async () => {
    expect(await complaints(minimal("    request: { maxEvent: 3 }\n    auth: { tokenfile: x }\n"))).toEqual([
      'config.yaml:8:16: unknown key "maxEvent" in sinks.archive.request. Did you mean "maxEvents"? (AUDITSHIP_CONFIG_KEY)',
      'config.yaml:9:13: unknown key "tokenfile" in sinks.archive.auth. Did you mean "tokenFile"? (AUDITSHIP_CONFIG_KEY)',
    ]);
  });

  it("lists what is known where nothing is near", async () => {
    expect(await complaints(minimal("rules: { qqqqqq: 1 }\n"))).toEqual([
      'config.yaml:8:10: unknown key "qqqqqq" in rules. Known are alertingPriority, archivingPriority, auditPolicy, falco, like, namespaces, paths, receivers, sigma, stages, watch. (AUDITSHIP_CONFIG_KEY)',
    ]);
  });

  it("is reported together with all the others, in the file's order", async () => {
    const text = `sources:
  apiserver: { startAt: yesterday }
stage: [parse]
sinks:
  archive: { type: elasticsearch, urls: [], request: { maxWait: soon } }
observe: { log: loud }
`;
    const lines = await complaints(text);
    expect(lines.map((line) => line.replace(/ \(.*/, ""))).toEqual([
      "config.yaml:2:3: sources.apiserver.path is missing.",
      "config.yaml:2:25: sources.apiserver.startAt: expected beginning, end or an RFC 3339 time.",
      'config.yaml:3:1: unknown key "stage". Did you mean "stages"?',
      "config.yaml:5:41: sinks.archive.urls: expected array to have >=1 items.",
      "config.yaml:5:65: sinks.archive.request.maxWait: expected a duration such as 250ms, 1s or 7d.",
      expect.stringMatching(/^config\.yaml:6:17: observe\.log: expected one of "debug"/),
    ]);
  });

  it("is that of the whole where it holds no keys", async () => {
    expect(await complaints("[sources, sinks]\n")).toEqual([
      "config.yaml:1:1: the whole: expected object, received array. (AUDITSHIP_CONFIG_VALUE)",
    ]);
  });

  it("names what would fail only when the agent starts: too much memory, a port that is none, a wait that no timer takes", async () => {
    const text = minimal("memory: { buffers: 2GiB }\nobserve: { listen: :70000 }\nshutdownTimeout: 30d\n");
    expect(await complaints(text)).toEqual([
      "config.yaml:8:20: memory.buffers: expected at most 1GiB. (AUDITSHIP_CONFIG_VALUE)",
      "config.yaml:9:20: observe.listen: expected host:port, :port or [IPv6]:port, a port up to 65535. (AUDITSHIP_CONFIG_VALUE)",
      "config.yaml:10:18: shutdownTimeout: expected from 0ms to 24d. (AUDITSHIP_CONFIG_VALUE)",
    ]);
  });

  it("names a sink that would be parked for one failed request", async () => {
    expect(await complaints(minimal("    stallAfter: 499ms\n"))).toEqual([
      "config.yaml:8:17: sinks.archive.stallAfter: expected 500ms or more: with less, one failed request would park the sink. (AUDITSHIP_CONFIG_VALUE)",
    ]);
    expect(await complaints(minimal("    stallAfter: 500ms\n"))).toEqual([]);
  });

  it("names the stage that does not exist and the one that was meant", async () => {
    const [line] = await complaints(minimal("stages: [parse, macth]\n"));
    expect(line).toMatch(/^config\.yaml:8:17: cannot load stage "macth": .*Did you mean "match"\?/);
  });

  it("names the type of sink that does not exist and the one that was meant", async () => {
    const [line] = await complaints(minimal("  b: { type: elasticsaerch }\n"));
    expect(line).toMatch(/^config\.yaml:8:14: cannot load sink "elasticsaerch": .*Did you mean "elasticsearch"\?/);
  });

  it("names the sink that keeps the log's order and shall take the newest first", async () => {
    const text = "    catchUp: newest\n  b: { type: alertmanager, urls: [http://a:1], catchUp: newest }\n";
    expect(await complaints(minimal(text))).toEqual([
      "config.yaml:8:14: sinks.archive.catchUp: newest is not for elasticsearch, which keeps the log's order; leave it out. (AUDITSHIP_CONFIG_VALUE)",
    ]);
  });

  it("names the sinks that write to a file that is another's, however its path is spelt", async () => {
    const text = `  a: { type: file, path: archive/audit.ndjson }
  b: { type: file, path: ./archive/../archive/audit.ndjson }
  c: { type: file, path: archive/audit.ndjson, gzip: true }
  d: { type: file, path: archive/audit.ndjson.gz, gzip: true }
`;
    expect(await complaints(minimal(text))).toEqual([
      "config.yaml:9:26: sinks.b.path: sink a writes to that file; give each one of its own. (AUDITSHIP_CONFIG_VALUE)",
      "config.yaml:11:26: sinks.d.path: sink c writes to that file; give each one of its own. (AUDITSHIP_CONFIG_VALUE)",
    ]);
  });

  it("names the sink that has no type", async () => {
    expect(await complaints(minimal("  b: { urls: [] }\n"))).toEqual([
      "config.yaml:8:3: sinks.b.type is missing. (AUDITSHIP_CONFIG_VALUE)",
    ]);
  });

  it("names a stage with two names", async () => {
    expect(await complaints(minimal("stages: [{ parse: {}, match: {} }]\n"))).toEqual([
      "config.yaml:8:10: stages[0]: a stage is a name, or one name with its options: workspace: {…}. (AUDITSHIP_CONFIG_VALUE)",
    ]);
  });

  it("names a stage that stands twice", async () => {
    expect(await complaints(minimal("stages: [parse, match, { match: {} }]\n"))).toEqual([
      "config.yaml:8:24: stages[2]: match stands twice; name a stage once, with all of its options. (AUDITSHIP_CONFIG_VALUE)",
    ]);
  });

  it("names a stage's wrong option", async () => {
    expect(await complaints(minimal("stages: [{ workspace: { statik: {} } }]\n"))).toEqual([
      'config.yaml:8:25: unknown key "statik" in stages[0].workspace. Did you mean "static"? (AUDITSHIP_CONFIG_KEY)',
    ]);
  });

  it("names a sink whose name could not be a file's", async () => {
    const [line] = await complaints(minimal("  ../x: { type: elasticsearch, urls: [http://a:1] }\n"));
    expect(line).toMatch(/^config\.yaml:8:9: sinks\.\.\.\/x: a name has letters, digits/);
  });

  it("names the variable that is not set, and how to give a default", async () => {
    expect(await complaints(minimal("cluster: ${CLUSTER}\n"))).toEqual([
      "config.yaml:8:10: the environment variable CLUSTER is not set; set it, or give a default: ${CLUSTER:-…}. (AUDITSHIP_CONFIG_ENV)",
    ]);
  });

  it("names a variable that is not closed", async () => {
    const [line] = await complaints(minimal("cluster: 'a ${CLUSTER'\n"));
    expect(line).toMatch(/^config\.yaml:8:10: \$\{ begins a variable/);
  });

  it("never shows a value, which may be a secret", async () => {
    const lines = await complaints(
      minimal("    auth: { tokenFile: [hunter2] }\n    required: hunter2\n    startAt: hunter2\n"),
    );
    expect(lines).toHaveLength(3);
    expect(lines.join()).not.toContain("hunter2");
  });

  it.each([
    ["sinks: [", "config.yaml:1:9"],
    ["a: 1\na: 2\n", "config.yaml:2:1"],
    ["a: *nowhere\n", "config.yaml"],
    ["\tsources: {}\n", "config.yaml:1:1"],
  ])("of YAML's syntax has its place: %j", async (text, place) => {
    const [line] = await complaints(text);
    expect(line.startsWith(`${place}`)).toBe(true);
    expect(line).toContain("AUDITSHIP_CONFIG_SYNTAX");
  });

  it("says what an empty file lacks", async () => {
    expect(await complaints("")).toEqual([
      "config.yaml: sources is missing. (AUDITSHIP_CONFIG_VALUE)",
      "config.yaml: sinks is missing. (AUDITSHIP_CONFIG_VALUE)",
    ]);
  });

  it.each(["42", "[1, 2]", "just text", "sources: 3\nsinks: x\n", "sources: { a: 1 }\nsinks: { b: }\nstages: 7\n"])(
    "is no crash: %j",
    async (text) => {
      const lines = await complaints(text);
      expect(lines.length).toBeGreaterThan(0);
      expect(lines.join()).toMatch(/AUDITSHIP_CONFIG/);
    },
  );

  it("refuses aliases that expand without end", async () => {
    const bomb = Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(",")}]`);
    const [line] = await complaints(`a0: &a0 [x]\n${bomb.join("\n")}\n`);
    expect(line).toContain("AUDITSHIP_CONFIG_SYNTAX");
  });

  it("says that the file does not exist", async () => {
    await expect(loadConfig("/nonexistent/auditship.yaml")).rejects.toMatchObject({
      code: "AUDITSHIP_CONFIG_READ",
      message: "cannot read the configuration: there is no such file.",
      place: { file: "/nonexistent/auditship.yaml" },
    });
  });

  it("says what the system says of one that cannot be read", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "auditship-config-")), "loop.yaml");
    onTestFinished(() => rmSync(dirname(file), { recursive: true }));
    symlinkSync(file, file);
    await expect(loadConfig(file)).rejects.toMatchObject({
      message: expect.stringMatching(
        /^cannot read the configuration: ELOOP: too many symbolic links encountered, .+\.$/,
      ),
    });
  });
});
