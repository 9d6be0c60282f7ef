import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { EventBatch } from "../../src/event/index.js";
import type { RuleMatch } from "../../src/plugin/index.js";
import { loadRules } from "../../src/rules/index.js";
import { CASES } from "./cases.js";
import type { EventParts } from "./events.js";

const PACK = fileURLToPath(new URL("../../config/rules", import.meta.url));
const DOCS = fileURLToPath(new URL("../../docs/rules.md", import.meta.url));

interface Item {
  name: string;
  type: string;
  enable?: boolean;
  priority?: string;
  output?: string;
  desc?: string;
}
const ITEMS = readdirSync(PACK).flatMap((file) => {
  const resource = parse(readFileSync(join(PACK, file), "utf8")) as {
    metadata: { name: string };
    spec: { rules: Item[] };
  };
  return resource.spec.rules.map((item) => ({ ...item, resource: resource.metadata.name }));
});
const RULES = ITEMS.filter((item) => item.type === "rule");

type Loaded = Awaited<ReturnType<typeof loadRules>>;

const load = (paths: string[]) =>
  loadRules({
    paths,
    archivingPriority: "DEBUG",
    alertingPriority: "WARNING",
    stages: ["ResponseStarted", "ResponseComplete", "Panic"],
  });

/** What the rules say of one event, by rule name. */
function matches(loaded: Loaded, event: EventParts): Map<string, RuleMatch & { text: string }> {
  const bytes = Buffer.from(`${JSON.stringify(event)}\n`);
  const batch = new EventBatch({ capacity: bytes.length + 64, documents: { cluster: "", node: "", labels: {} } });
  const file = { fingerprint: "00".repeat(32), id: "AAAAAAAAAAAAAAAA", ordinal: 1, time: 0 };
  batch.load({ bytes, length: bytes.length, file, offset: 0 }, "test");
  parseTimes(batch, event);
  loaded.set.evaluate(batch);
  const view = batch.at(0);
  return new Map(batch.matches(0).map((match) => [match.rule, { ...match, text: match.message(view) }]));
}

/** What the stage `parse` does, for one event. */
function parseTimes(batch: EventBatch, event: EventParts): void {
  const received = Date.parse(event.requestReceivedTimestamp as string);
  const time = Date.parse(event.stageTimestamp as string);
  batch.time[0] = time;
  batch.latency[0] = time - received;
}

describe("the rule pack", () => {
  let pack: Loaded;
  let frozen: Loaded;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "auditship-rules-"));
    const cluster = readFileSync(join(PACK, "cluster.yaml"), "utf8")
      .replace("2000-01-01T00:00:00.000000Z", "2026-01-05T00:00:00.000000Z")
      .replace("2000-01-02T00:00:00.000000Z", "2026-01-06T00:00:00.000000Z")
      .replace("enable: false", "enable: true");
    await writeFile(join(directory, "cluster.yaml"), cluster);
    pack = await load([PACK]);
    frozen = await load([join(PACK, "vocabulary.yaml"), join(directory, "cluster.yaml")]);
  });
  afterAll(() => rm(directory, { recursive: true }));

  it("loads without a refusal and without a warning", () => {
    expect(pack.refused).toEqual([]);
    expect(pack.warnings).toEqual([]);
    expect(pack.set.size).toBe(RULES.filter((rule) => rule.enable).length);
  });

  it("gives every rule a description, a message and a priority", () => {
    for (const rule of RULES) {
      expect(rule.desc, rule.name).toMatch(/\.$/);
      expect(rule.output, rule.name).toContain("${");
      expect(rule.priority, rule.name).toMatch(/^(DEBUG|INFO|WARNING)$/);
    }
  });

  it("has a case for every rule, and no case for a rule that is not there", () => {
    expect(CASES.map((one) => one.rule).sort()).toEqual(RULES.map((rule) => rule.name).sort());
  });

  it("is told in the documentation, every rule with its priority", () => {
    const docs = readFileSync(DOCS, "utf8");
    for (const rule of RULES) expect(docs).toMatch(new RegExp(`\\| \`${rule.name}\` \\| ${rule.priority}\\b`));
  });

  for (const { rule, hits, misses } of CASES) {
    describe(rule, () => {
      const set = () => (rule === "FreezeWindow" ? frozen : pack);
      for (const { that, event, message } of hits) {
        it(`matches ${that}`, () => {
          const match = matches(set(), event).get(rule);
          expect(match?.text).toBe(message);
          const alerting =
            match?.resource !== "archiving" && RULES.find(({ name }) => name === rule)?.priority === "WARNING";
          expect(match?.actions).toEqual(alerting ? ["archived", "alerting"] : ["archived"]);
        });
      }
      for (const { that, event } of misses) {
        it(`does not match ${that}`, () => expect([...matches(set(), event).keys()]).not.toContain(rule));
      }
    });
  }

  it("keeps the freeze window off until it is filled in", () => {
    const change = CASES.find(({ rule }) => rule === "FreezeWindow")?.hits[0].event;
    expect([...matches(pack, change!).keys()]).not.toContain("FreezeWindow");
  });
});
