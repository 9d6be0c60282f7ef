import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { checkRules } from "../../src/commands/check.js";
import { rulesSchema } from "../../src/config/schema.js";
import { createLog } from "../../src/observe/log.js";
import { Metrics } from "../../src/observe/meter.js";
import { RulesInForce } from "../../src/pipeline/rules.js";

/** A file with so many rules that have an error, and so many of a field that no event has. */
async function fileOf({ bad, odd }: { bad: number; odd: number }): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "auditship-rules-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const rule = (name: string, condition: string) => ({ name, type: "rule", enable: true, priority: "INFO", condition });
  const rules = [
    ...Array.from({ length: bad }, (_, n) => rule(`Bad${n}`, "Verb (")),
    ...Array.from({ length: odd }, (_, n) => rule(`Odd${n}`, 'ObjectRef.Resourse = "pods"')),
  ];
  const metadata = { name: "many", labels: { type: "alerting" } };
  const resource = { apiVersion: "auditing.kubesphere.io/v1alpha1", kind: "Rule", metadata, spec: { rules } };
  await writeFile(join(directory, "rules.json"), JSON.stringify(resource));
  return join(directory, "rules.json");
}

interface Started {
  rules: RulesInForce;
  said: { level: string; msg: string }[];
  metrics: Metrics;
}

/** What is logged when a file is loaded, and the metrics then. */
async function started(file: string): Promise<Started> {
  const said: { level: string; msg: string }[] = [];
  const write = (line: string) => void said.push(JSON.parse(line));
  const metrics = new Metrics();
  const rules = new RulesInForce(createLog({ level: "info", pretty: false, to: { write } }), metrics);
  await rules.start(rulesSchema.parse({ paths: [file] }), undefined);
  return { rules, said, metrics };
}

describe("what is wrong with rules", () => {
  it("is logged up to 50 refusals and 50 warnings of one load, and how many more there are", async () => {
    const file = await fileOf({ bad: 60, odd: 55 });
    const { said, metrics } = await started(file);
    const levels = said.map(({ level }) => level);
    expect(levels).toEqual([...Array(50).fill("error"), ...Array(50).fill("warn"), "warn"]);
    expect(said[0].msg).toMatch(/^Rule refused: .*many\.Bad0: /);
    expect(said[99].msg).toContain("many.Odd49: ");
    expect(said[100]).toMatchObject({ refused: 10, warnings: 5, msg: expect.stringContaining("`auditship check`") });
    expect(metrics.get("auditship_rules_refused")).toBe(60);
    expect(metrics.get("auditship_rules", "kubesphere")).toBe(55);
  });

  it("is logged as it is where there is no more", async () => {
    const { said } = await started(await fileOf({ bad: 50, odd: 50 }));
    expect(said.filter(({ msg }) => /many\.(Bad|Odd)\d+: /.test(msg))).toHaveLength(100);
    expect(said).toHaveLength(100);
  });

  it("is all shown by `check`, each refusal with its line", async () => {
    const printed: string[] = [];
    const { errors } = await checkRules([await fileOf({ bad: 60, odd: 55 })], undefined, (line) => printed.push(line));
    expect(errors.filter((error) => /many\.Bad\d+: [^\n]+\n {4}.+\n +\^/.test(error))).toHaveLength(60);
    expect(printed.filter((line) => /^warning: .*many\.Odd\d+: /.test(line))).toHaveLength(55);
  });
});

describe("rules of a directory that is empty for a moment", () => {
  it("stay in force, and that is said, as it is when there were none from the start", async () => {
    const file = await fileOf({ bad: 0, odd: 1 });
    const config = rulesSchema.parse({ paths: [dirname(file)] });
    const text = await readFile(file);
    const { rules, said, metrics } = await started(dirname(file));
    await rm(file);
    expect(await rules.read(config)).toBeUndefined();
    expect(said.at(-1)).toMatchObject({ level: "error", msg: expect.stringMatching(/no rule left.*stay/) });
    expect(metrics.get("auditship_reloads_total", "rules", "refused")).toBe(1);
    expect((await started(dirname(file))).said.at(-1)).toMatchObject({ level: "warn", paths: [dirname(file)] });
    await writeFile(file, text);
    expect((await rules.read(config))?.running).toHaveLength(1);
  });

  it("give way to such as are all turned off", async () => {
    const file = await fileOf({ bad: 0, odd: 1 });
    const { rules } = await started(file);
    await writeFile(file, (await readFile(file, "utf8")).replace('"enable":true', '"enable":false'));
    expect((await rules.read(rulesSchema.parse({ paths: [file] })))?.running).toHaveLength(0);
  });
});
