import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openTape } from "../../src/event/index.js";
import { createEvaluator } from "../../src/rules/index.js";
import { viewOf } from "./events.js";

let directory: string;
let rulesFile: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "falco-eval-"));
  rulesFile = join(directory, "rules.yaml");
  await writeFile(rulesFile, "- list: verbs\n  items: [get, list]\n- macro: reads\n  condition: ka.verb in (verbs)\n");
});
afterAll(() => rm(directory, { recursive: true }));

function evaluate(condition: string, event: string): unknown {
  const view = (bytes: Uint8Array) => viewOf(Buffer.from(bytes).toString());
  const answer = createEvaluator({ dialect: "falco", rulesFile, openTape, viewOf: view });
  return answer(Buffer.from(`{"condition":${JSON.stringify(condition)},"event":${event}}`));
}

it("eval answers in Falco's dialect, with the macros and lists of a file", () => {
  expect(evaluate("reads", '{"auditID":"x","verb":"list"}')).toEqual({ result: true });
  expect(evaluate("reads and not reads", '{"auditID":"x","verb":"list"}')).toEqual({ result: false });
});

it("eval reads the event from its bytes in the line", () => {
  const event = '{"auditID":9,"responseStatus":{"code": 201.0},"requestObject":{"data":{ "a":"\\u003c"}}}';
  expect(evaluate("ka.response.code=201.0 and ka.auditid=9", event)).toEqual({ result: true });
  expect(evaluate('ka.req.configmap.obj contains "u003c"', event)).toEqual({ result: true });
});

it("eval gives line and column of an error in a condition", () => {
  const error = (line: number, column: number) => ({ error: { message: expect.any(String), line, column } });
  expect(evaluate("reads and\n  (ka.verb=get", "{}")).toEqual(error(2, 15));
  expect(evaluate("reads and\n  ka.vrb=get", "{}")).toEqual(error(2, 3));
  expect(evaluate("reads and mcro", "{}")).toEqual(error(1, 11));
});
