import { appendFile, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Program } from "./fixture.js";

let directory: string;
const programs: Program[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-run-"));
  await writeFile(join(directory, "rules.yaml"), RULES);
});

afterEach(async () => {
  for (const { child } of programs) child.kill("SIGKILL");
  await Promise.all(programs.splice(0).map(({ exited }) => exited));
  await rm(directory, { recursive: true });
});

const RULES = `apiVersion: auditing.kubesphere.io/v1alpha1
kind: Rule
metadata: { name: mine, labels: { type: alerting } }
spec:
  rules:
    - { name: Reads, type: rule, enable: true, priority: WARNING, condition: 'Verb = "get"', output: "got" }
`;

const event = (id: string | number) =>
  `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"${id}","stage":"ResponseComplete","verb":"get","stageTimestamp":"2026-11-20T10:00:00.000000Z"}\n`;

const log = () => join(directory, "audit.log");
const archived = async () =>
  (await readFile(join(directory, "archive.ndjson"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).auditID);

async function configure(more = "", sinks = ""): Promise<void> {
  const text = `sources: { api: { path: audit.log } }
state: state
rules: { paths: [rules.yaml] }
observe: { listen: "127.0.0.1:0" }
sinks:
  archive: { type: file, path: archive.ndjson }
${sinks}${more}`;
  await writeFile(join(directory, "auditship.yaml"), text);
}

function start(...args: string[]): Program {
  const program = new Program(args, directory);
  programs.push(program);
  return program;
}

async function running(): Promise<{ agent: Program; metrics: (name: string) => Promise<string[]> }> {
  const agent = start("run", "-c", "auditship.yaml");
  await agent.until(({ err }) => err.includes("Agent started."));
  const started = agent.err.split("\n").find((line) => line.includes("Agent started.")) as string;
  const { metrics: url } = JSON.parse(started);
  const metrics = async (name: string) =>
    (await (await fetch(url)).text()).split("\n").filter((line) => line.startsWith(name));
  return { agent, metrics };
}

describe("run --once", () => {
  it("ships what is there and ends with 0; a second run adds nothing", async () => {
    await configure();
    await writeFile(log(), event(1) + event(2));
    expect(await start("run", "-c", "auditship.yaml", "--once").exited).toBe(0);
    expect(await archived()).toEqual(["1", "2"]);
    await appendFile(log(), event(3));
    expect(await start("run", "-c", "auditship.yaml", "--once").exited).toBe(0);
    expect(await archived()).toEqual(["1", "2", "3"]);
  });

  it("ends with 2 for a configuration with errors, a line for each", async () => {
    await configure("shutdownTimout: 1s\ncluser: x\n");
    const program = start("run", "-c", "auditship.yaml", "--once");
    expect(await program.exited).toBe(2);
    expect(program.err.trim().split("\n")).toEqual([
      'auditship: auditship.yaml:7:1: unknown key "shutdownTimout". Did you mean "shutdownTimeout"? (AUDITSHIP_CONFIG_KEY)',
      'auditship: auditship.yaml:8:1: unknown key "cluser". Did you mean "cluster"? (AUDITSHIP_CONFIG_KEY)',
    ]);
  });
});

describe("run with a value that no agent can be made of", () => {
  it.each([
    [
      "",
      'bad: { type: file, path: b, select: "Verb = (" }',
      /sinks\.bad\.select: expected .+ \(line 1, column 8 of .+RULE_SYNTAX/,
    ],
    ["memory: { buffers: 1KiB }\n", "", /memory\.buffers: it is too small for 1 sources and 1 sinks; .+CONFIG_VALUE/],
    ["stages: [{ redact: { hash: { keyFile: none } } }]\n", "", /stages\.0: redact: the key file .+CONFIG_VALUE/],
  ])("ends with 2, and says which one it is and where it stands: %s%s", async (top, sink, message) => {
    await configure(top, sink && `  ${sink}\n`);
    await writeFile(log(), "");
    const program = start("run", "-c", "auditship.yaml", "--once");
    expect(await program.exited).toBe(2);
    expect(program.err).toMatch(message);
    expect(program.err).toMatch(/^auditship: auditship\.yaml:\d+:\d+: /m);
  });
});

describe("a full disk", () => {
  const full = "/dev/full";
  const writing = async (path: string) => (path ? await open(path, "r+") : undefined);

  /** A program that writes to it, and to pipes. */
  async function startWith(stdio: { out?: string; err?: string }, ...args: string[]): Promise<Program> {
    const opened = await Promise.all(["/dev/null", stdio.out ?? "", stdio.err ?? ""].map(writing));
    const program = new Program(args, directory, {}, undefined, { stdio: opened.map((file) => file?.fd ?? "pipe") });
    programs.push(program);
    await Promise.all(opened.map((file) => file?.close()));
    return program;
  }

  it("under the log costs no event", async () => {
    await configure();
    await writeFile(log(), event(1) + event(2));
    const agent = await startWith({ err: full }, "run", "-c", "auditship.yaml", "--once");
    expect(await agent.exited).toBe(0);
    expect(await archived()).toEqual(["1", "2"]);
  });

  it("under standard output stops the sink there, and no other", async () => {
    await configure("", "  terminal: { type: stdout, select: all }\n");
    await writeFile(log(), event(1) + event(2));
    const agent = await startWith({ out: full }, "run", "-c", "auditship.yaml", "--once");
    expect(await agent.exited).toBe(1);
    expect(agent.err).toContain('"reason":"standard output: ENOSPC');
    expect(await archived()).toEqual(["1", "2"]);
  });

  it("under a command's results is said in a line", async () => {
    const check = await startWith({ out: full }, "check", "--rules", "rules.yaml");
    expect(await check.exited).toBe(1);
    expect(check.err).toMatch(/^auditship: standard output cannot be written: ENOSPC: .+ \(AUDITSHIP_OUTPUT\)\n$/);
  });
});

describe("run", () => {
  it("stops with 0 on SIGTERM and resumes where it was", async () => {
    await configure("", "  terminal: { type: stdout, select: all }\n");
    await writeFile(log(), event(1));
    const { agent } = await running();
    await agent.until(({ out }) => out.includes('"auditID":"1"'));
    agent.child.kill("SIGTERM");
    expect(await agent.exited).toBe(0);
    await appendFile(log(), event(2));
    const { agent: next } = await running();
    await next.until(({ out }) => out.includes('"auditID":"2"'));
    next.child.kill("SIGINT");
    expect(await next.exited).toBe(0);
    expect(next.out).not.toContain('"auditID":"1"');
    expect(await archived()).toEqual(["1", "2"]);
  });

  it("refuses the state directory that another agent has, and says whose it is", async () => {
    await configure();
    await writeFile(log(), "");
    const { agent } = await running();
    const second = start("run", "-c", "auditship.yaml");
    expect(await second.exited).toBe(1);
    expect(second.err).toMatch(
      new RegExp(
        `^auditship: ${directory}/state: the state directory is in use by process ${agent.child.pid} \\(instance .+\\) since .+\\(AUDITSHIP_STATE_LOCKED\\)\\n$`,
      ),
    );
  });

  it("takes changed rules over; with errors in them the old ones stay", async () => {
    await configure();
    await writeFile(log(), "");
    const { agent, metrics } = await running();
    await writeFile(join(directory, "rules.yaml"), RULES.replace("Reads", "Renamed"));
    await agent.until(({ err }) => err.includes("New rules are in force."));
    await writeFile(join(directory, "rules.yaml"), RULES.replace("Verb =", "Verb = ("));
    await agent.until(({ err }) => err.includes("AUDITSHIP_RULE_SYNTAX"));
    await agent.until(({ err }) => err.includes("those in force before stay"));
    expect(await metrics("auditship_reloads_total")).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/what="rules",result="ok"\} [1-9]/),
        expect.stringMatching(/what="rules",result="refused"\} [1-9]/),
      ]),
    );
  });

  it("looks at the rules that a refused configuration names, and takes it when they are mended", async () => {
    await configure("", "  local: { type: file, path: local.ndjson, select: archived }\n");
    await writeFile(log(), "");
    const { agent } = await running();
    const others = join(directory, "others.yaml");
    await writeFile(others, RULES.replace("enable: true", "enable: false"));
    const config = join(directory, "auditship.yaml");
    await writeFile(config, (await readFile(config, "utf8")).replace("rules.yaml", "others.yaml"));
    await agent.until(({ err }) => err.includes("the one before stays"));
    await writeFile(others, RULES);
    await agent.until(({ err }) => err.includes("Configuration reloaded."));
  });

  it("takes over a configuration that was changed while the agent started", async () => {
    await configure();
    await writeFile(log(), "");
    const config = join(directory, "auditship.yaml");
    const changed = `${await readFile(config, "utf8")}labels: { shop: changed }\n`;
    // A plugin is loaded when the configuration has been read, and before its file is watched.
    const changing = `import { writeFileSync } from "node:fs";
      if (!globalThis.changed) writeFileSync(${JSON.stringify(config)}, ${JSON.stringify(changed)});
      globalThis.changed = true;
      export default { kind: "stage", name: "changing", options: (z) => z.object({}), create: () => ({ run() {} }) };`;
    await writeFile(join(directory, "changing.mjs"), changing);
    await writeFile(config, `${await readFile(config, "utf8")}stages: [parse, ./changing.mjs, redact]\n`);
    const { agent } = await running();
    await agent.until(({ err }) => err.includes("Configuration reloaded."));
  });

  it("reloads on SIGHUP; a configuration with errors leaves everything as it was", async () => {
    await configure();
    await writeFile(log(), "");
    const { agent, metrics } = await running();
    await configure("", "  broken: { type: fil }\n");
    agent.child.kill("SIGHUP");
    await agent.until(({ err }) => err.includes("the one before stays"));
    expect(agent.err).toContain('Did you mean \\"file\\"?');
    expect((await metrics("auditship_reloads_total"))[0]).toMatch(/what="config",result="refused"\} [1-9]/);
    await configure("", "  second: { type: file, path: second.ndjson }\n");
    agent.child.kill("SIGHUP");
    await agent.until(({ err }) => err.includes('"sinks":["archive","second"]'));
  });
});

describe("a run whose standard output", () => {
  const many = Array.from({ length: 3000 }, (_, id) => event(id)).join("");
  const cursorOf = async (sink: string) =>
    JSON.parse(await readFile(join(directory, "state", "sinks", `${sink}.json`), "utf8")).body.cursors.api?.offset;

  it("is not read goes on with its other sinks and their cursors, and ends when it is told to", async () => {
    await configure("shutdownTimeout: 100ms\n", "  out: { type: stdout, stallAfter: 500ms }\n");
    await writeFile(log(), many);
    const agent = start("run", "-c", "auditship.yaml");
    agent.child.stdout!.pause();
    await agent.until(({ err }) => err.includes("Sink parked"));
    await expect.poll(async () => await cursorOf("archive")).toBe(many.length);
    expect(await archived()).toHaveLength(3000);
    expect(await cursorOf("out")).toBeUndefined();
    agent.child.kill("SIGTERM");
    agent.child.stdout!.resume();
    await agent.exited;
    expect(agent.err).toContain("Agent stopped.");
  });

  it("is closed stops that sink loudly, and goes on with the others", async () => {
    await configure("", "  out: { type: stdout }\n");
    await writeFile(log(), many);
    const agent = start("run", "-c", "auditship.yaml");
    agent.child.stdout!.destroy();
    await agent.until(({ err }) => err.includes("Sink stopped until a reload or a restart"));
    expect(agent.err).toContain("standard output is closed: the program that read it has ended");
    await expect.poll(async () => await cursorOf("archive")).toBe(many.length);
    agent.child.kill("SIGTERM");
    expect(await agent.exited).toBe(0);
  });

  it("is closed ends with 1 if it is to run only once", async () => {
    await configure("", "  out: { type: stdout }\n");
    await writeFile(log(), many);
    const agent = start("run", "-c", "auditship.yaml", "--once");
    agent.child.stdout!.destroy();
    expect(await agent.exited).toBe(1);
    expect(agent.err).toContain("sink out: standard output is closed");
    expect(await archived()).toHaveLength(3000);
  });
});
