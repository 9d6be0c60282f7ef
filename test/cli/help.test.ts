import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../src/cli/index.js";
import { VERSION } from "../../src/version.js";

const COMMANDS = [
  "run",
  "status",
  "check",
  "match",
  "explain",
  "test",
  "eval",
  "fields",
  "setup",
  "retention",
  "dlq",
  "dlq list",
  "dlq show",
  "dlq replay",
  "simulate",
  "quickstart",
];

let out = "";
let err = "";

beforeEach(() => {
  [out, err] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

const auditship = (...args: string[]) => main(["node", "auditship", ...args]);

describe("the command line", () => {
  it("lists every command in its help, with examples", async () => {
    expect(await auditship("--help")).toBe(0);
    for (const command of COMMANDS) expect(out).toContain(`  ${command.split(" ")[0]} `);
    expect(out).toMatch(/Examples:\n {2}# .+\n {2}\$ auditship /);
  });

  it.each(COMMANDS)("explains %s with examples that call it", async (command) => {
    expect(await auditship(...command.split(" "), "--help")).toBe(0);
    expect(out).toContain(`Usage: auditship ${command} `);
    expect(out).not.toContain("default: []");
    expect(out.split("Examples:")[1]).toMatch(new RegExp(`\\$ .*auditship ${command}`));
  });

  it("reloads by a pattern that finds the agent, linked or not, and nothing else that runs", async () => {
    await auditship("run", "--help");
    const pattern = new RegExp(/pkill -HUP -f '(.+)'/.exec(out)![1]);
    expect("node /usr/local/bin/auditship run -c auditship.yaml").toMatch(pattern);
    expect("node dist/auditship.js run -c auditship.yaml").toMatch(pattern);
    expect("node /home/you/auditship/node_modules/.bin/vitest run").not.toMatch(pattern);
  });

  it("prints its version", async () => {
    expect(await auditship("--version")).toBe(0);
    expect(out).toBe(`${VERSION}\n`);
  });

  it.each([
    [["rnu"], "unknown command 'rnu' (Did you mean run?)"],
    [["run", "-c", "x", "--onec"], "unknown option '--onec' (Did you mean --once?)"],
    [["run"], "required option '-c, --config <file>' not specified"],
    [["match", "--rules", "x"], "missing required argument 'file'"],
    [["match", "--rules", "x", "--dialect", "prolog", "-"], "Allowed choices are kubesphere, falco, sigma"],
    [["simulate", "--rate", "fast"], "It must be a number"],
    [["simulate", "--rate", "0"], "It must be above 0"],
    [["quickstart", "--rate", "0"], "It must be above 0"],
    [["simulate", "--max-size", "large"], "it must be a size such as 10MiB, from 256KiB."],
    [["simulate", "--max-size", "0"], "it must be a size such as 10MiB, from 256KiB."],
    [["check"], "check needs a configuration (-c FILE) or rules (--rules PATH)."],
    [["eval", "--dialect", "prolog"], "Allowed choices are kubesphere, falco, sigma"],
  ])("ends with 2 and one line on stderr for %j", async (args, message) => {
    expect(await auditship(...args)).toBe(2);
    expect(err).toContain(message);
    expect(err).toMatch(/^auditship: [^\n]+\(AUDITSHIP_USAGE\)\n$/);
    expect(out).toBe("");
  });

  it.each([
    [["rnu"], "auditship --help"],
    [["run"], "auditship run --help"],
    [["match", "--rules", "x"], "auditship match --help"],
    [["simulate", "--rate", "0"], "auditship simulate --help"],
    [["dlq", "lst"], "auditship dlq --help"],
    [["dlq", "list", "--limit", "0"], "auditship dlq list --help"],
  ])("names the help of the command that was called wrongly: %j", async (args, help) => {
    expect(await auditship(...args)).toBe(2);
    expect(err).toContain(`; see ${help}. (AUDITSHIP_USAGE)`);
  });

  it("shows the help and ends with 2 when there is no command", async () => {
    expect(await auditship()).toBe(2);
    expect(err).toContain("Usage: auditship");
  });

  it.each([["run"], ["check"], ["setup"], ["dlq", "list"]])(
    "ends %s with 2 if the configuration is missing",
    async (...command) => {
      expect(await auditship(...command, "-c", "/nonexistent.yaml")).toBe(2);
      expect(err).toBe(
        "auditship: /nonexistent.yaml: cannot read the configuration: there is no such file. (AUDITSHIP_CONFIG_READ)\n",
      );
    },
  );
});
