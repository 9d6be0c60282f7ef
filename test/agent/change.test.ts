import { mkdir, rename, writeFile } from "node:fs/promises";
import { expect, it, onTestFinished, vi } from "vitest";
import { auditLine } from "../support/batches.js";
import { Lumberjack } from "../support/lumberjack.js";
import { patience } from "../support/patience.js";
import { added, bundledProgram, type Lines, Site } from "./fixture.js";

const program = bundledProgram();

/** Writes numbered events into a rotating log until it is stopped, a few each millisecond or so. */
class Load {
  readonly lines: string[] = [];
  readonly #log: Lumberjack;
  readonly #timer: NodeJS.Timeout;

  constructor(path: string) {
    this.#log = new Lumberjack(path, { maxSize: 300_000 });
    this.#timer = setInterval(() => this.#write(), 2);
    onTestFinished(() => this.stop());
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#log.close();
  }

  /** Resolves when so many more are written. */
  more(count: number): Promise<void> {
    const until = this.lines.length + count;
    return vi.waitFor(() => expect(this.lines.length).toBeGreaterThan(until), patience);
  }

  #write(): void {
    for (let i = 0; i < 5; i++) {
      const line = auditLine(this.lines.length);
      this.lines.push(line);
      this.#log.write(`${line}\n`);
    }
  }
}

/** Resolves when the agent has said `text` once more. */
function says(agent: ReturnType<typeof program.start>, text: string): Promise<void> {
  const before = agent.err.split(text).length;
  return agent.until(({ err }) => err.split(text).length > before);
}

function expectOnceInOrder(documents: Lines, lines: Lines): void {
  expect(documents).toHaveLength(lines.length);
  documents.forEach((document, index) => void added(document, lines[index]));
}

it("Sinks come and go by reload while two sources are written: every sink has every event once, each source in order", async () => {
  const site = await Site.make();
  const names = ["north", "south"];
  const sources: Record<string, object> = {};
  for (const name of names) {
    await mkdir(site.at("log", name));
    sources[name] = { path: `log/${name}/audit.log` };
  }
  const sink = (name: string) => ({ [name]: { type: "file", path: `${name}.ndjson` } });
  const configure = (...sinks: string[]) =>
    site.configure({ sources, stages: ["parse"], sinks: Object.assign({}, ...sinks.map(sink)) });

  await configure("stays", "leaves");
  const loads = names.map((name) => new Load(site.at("log", name, "audit.log")));
  const agent = program.start(site);
  await agent.until(({ err }) => err.includes("Agent started."));
  await loads[0].more(500);
  for (const sinks of [
    ["stays", "comes"],
    ["stays", "comes", "leaves"],
  ]) {
    const reloaded = says(agent, "Configuration reloaded.");
    await configure(...sinks);
    agent.child.kill("SIGHUP");
    await reloaded;
    await loads[0].more(500);
  }
  for (const load of loads) load.stop();

  for (const name of ["stays", "comes", "leaves"]) {
    const count = loads[0].lines.length + loads[1].lines.length;
    await vi.waitFor(async () => expect(await site.archive(`${name}.ndjson`)).toHaveLength(count), patience);
    const documents = await site.archive(`${name}.ndjson`);
    names.forEach((source, index) => {
      const own = documents.filter((document) => document.includes(`"source":"${source}"`));
      expectOnceInOrder(own, loads[index].lines);
    });
  }
  agent.child.kill("SIGTERM");
  expect(await agent.exited).toBe(0);
});

const rules = (name: string, condition: string) => `apiVersion: auditing.kubesphere.io/v1alpha1
kind: Rule
metadata: { name: mine, labels: { type: alerting } }
spec:
  rules:
    - { name: ${name}, type: rule, enable: true, priority: WARNING, condition: '${condition}', output: "seen" }
`;

it("Rules that change while events come are in force from one batch on; broken ones change nothing, and are named", async () => {
  const site = await Site.make();
  /** As an editor or a ConfigMap does: the file is the old one or the new one. */
  const write = async (text: string) => {
    await writeFile(site.at("rules.yaml.new"), text);
    await rename(site.at("rules.yaml.new"), site.at("rules.yaml"));
  };
  await write(rules("Before", 'Verb = "list"'));
  await site.configure({
    stages: ["parse", "match"],
    rules: { paths: ["rules.yaml"] },
    sinks: { archive: { type: "file", path: "archive.ndjson" } },
  });
  const load = new Load(site.at("log", "audit.log"));
  const agent = program.start(site);
  await agent.until(({ err }) => err.includes("Agent started."));
  await load.more(300);

  await write(rules("After", 'Verb in ("list", "get")'));
  await agent.until(({ err }) => err.includes("New rules are in force."));
  const changed = load.lines.length;
  await load.more(300);
  await write(rules("Never", "Verb = ("));
  await agent.until(({ err }) => err.includes("those in force before stay"));
  expect(agent.err).toContain(`${site.at("rules.yaml")}:6:`);
  await load.more(300);
  load.stop();

  await vi.waitFor(async () => expect(await site.archive("archive.ndjson")).toHaveLength(load.lines.length), patience);
  const documents = await site.archive("archive.ndjson");
  expectOnceInOrder(documents, load.lines);
  const matched = documents.map((document, index) => {
    const matches = added(document, load.lines[index]).auditship.matches as { rule: string }[];
    return matches.map(({ rule }) => rule).join();
  });
  const turn = matched.indexOf("After");
  expect(turn).toBeGreaterThan(0);
  expect(turn).toBeLessThanOrEqual(changed);
  expect(new Set(matched.slice(0, turn))).toEqual(new Set(["Before"]));
  expect(new Set(matched.slice(turn))).toEqual(new Set(["After"]));
});
