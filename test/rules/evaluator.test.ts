import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTape } from "../../src/event/index.js";
import { createEvaluator, describeMatch, loadRules } from "../../src/rules/index.js";
import { batchOf } from "./events.js";

let directory: string;
let rulesFile: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-eval-"));
  rulesFile = join(directory, "rules.yaml");
  await writeFile(
    rulesFile,
    `apiVersion: auditing.kubesphere.io/v1alpha1
kind: Rule
metadata: { name: words, labels: { type: alerting } }
spec:
  rules:
    - { name: writes, type: list, list: [create, delete] }
    - { name: broken, type: macro, macro: 'Verb = x' }
    - { name: Exec, type: rule, condition: 'Verb in \${writes}', enable: true, priority: WARNING, output: '\${Verb}' }
`,
  );
});
afterAll(() => rm(directory, { recursive: true }));

function evaluate(text: string, file?: string) {
  const viewOf = (bytes: Uint8Array) => batchOf(Buffer.from(bytes).toString()).at(0);
  const evaluator = createEvaluator({ dialect: "kubesphere", rulesFile: file, openTape, viewOf });
  return evaluator(Buffer.from(text));
}

const line = (condition: string, event: string) => `{"condition":${JSON.stringify(condition)},"event":${event}}`;

describe("eval", () => {
  it("reads the event from its bytes in the line", () => {
    const event = '{"verb":"g\\u0065t","responseStatus":{"code":201.0},"requestObject":{"n":12345678901234567}}';
    expect(evaluate(line('Verb = "get" and ResponseStatus.code = 201', event))).toEqual({ result: true });
    expect(evaluate(line('Verb = "list"', event))).toEqual({ result: false });
    expect(evaluate(`{ "event" : ${event} , "condition":"\\u0056erb = \\"get\\"" }`)).toEqual({ result: true });
  });

  it("says where a condition does not load, on every line", () => {
    const answer = evaluate(line('Verb = "a"\nAND x', "{}"));
    expect(answer).toEqual({ error: { message: expect.stringContaining("lower case"), line: 2, column: 1 } });
  });

  it("is false if a condition fails on the event, and for names that no event has", () => {
    expect(evaluate(line("Verb > 1", '{"verb":"get"}'))).toEqual({ result: false });
    expect(evaluate(line("Verbb = 1", '{"verb":"get"}'))).toEqual({ result: false });
  });

  it("resolves names as in a rule of the file", () => {
    expect(evaluate(line("Verb in ${writes}", '{"verb":"create"}'), rulesFile)).toEqual({ result: true });
    expect(evaluate(line("Verb in ${words.writes}", '{"verb":"get"}'), rulesFile)).toEqual({ result: false });
    expect(evaluate(line("Verb = ${broken}", "{}"), rulesFile)).toMatchObject({ error: { line: 1 } });
    expect(evaluate(line("Verb exists and ${nope}", "{}"), rulesFile)).toMatchObject({
      error: { line: 1, column: 17 },
    });
  });

  it("answers nonsense with an error", () => {
    for (const text of ["", "[]", "{", '{"condition":1,"event":{}}', '{"condition":"Verb"}'])
      expect(evaluate(text)).toMatchObject({ error: { line: 1, column: 1 } });
  });
});

describe("a described match", () => {
  const describeOne = async (event: object) => {
    const loaded = await loadRules({ paths: [rulesFile], archivingPriority: "DEBUG", alertingPriority: "WARNING" });
    const batch = batchOf(event);
    loaded.set.evaluate(batch);
    return describeMatch(batch.matches(0)[0], batch.at(0), 7);
  };

  it("has the members that the match command prints", async () => {
    const event = { auditID: "id-1", stage: "Panic", verb: "create", stageTimestamp: "2024-05-01T04:03:04.5+02:00" };
    expect(JSON.stringify(await describeOne(event))).toBe(
      '{"n":7,"auditID":"id-1","stage":"Panic","rule":"Exec","resource":"words","dialect":"kubesphere","priority":"WARNING",' +
        '"actions":["archived","alerting"],"message":"create","time":"2024-05-01T02:03:04.500000000Z","fields":{},"tags":[]}',
    );
  });

  it("writes auditID as text whatever its type, and null if there is none", async () => {
    expect(await describeOne({ verb: "create", auditID: 9 })).toMatchObject({ auditID: "9" });
    expect(await describeOne({ verb: "create", auditID: null })).toMatchObject({ auditID: "null" });
    expect(await describeOne({ verb: "create" })).toMatchObject({ auditID: null, stage: null });
  });
});
