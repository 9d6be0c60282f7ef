import { isDeepStrictEqual } from "node:util";
import { EventBatch } from "../event/index.js";
import { AuditshipError, type Batch, Flag, type RuleSet } from "../plugin/index.js";
import { describeMatch, loadRules } from "../rules/index.js";
import { readInput } from "./input.js";
import { inputFiles } from "./input-files.js";
import type { CommandOutput } from "./output.js";
import { type ExpectedMatch, type RuleTest, readTestFile, type TestSuite } from "./test-file.js";

/** How a test went. */
export interface TestResult {
  readonly suite: string;
  readonly test: RuleTest;
  /** What differs, a line each; empty if nothing does. */
  readonly differences: readonly string[];
  readonly seconds: number;
}

type Match = ExpectedMatch;

export interface TestOptions {
  /** Rules for all tests, instead of those that the files name. */
  rules: readonly string[];
}

/**
 * Runs the tests in files, and prints how each went.
 * @throws AuditshipError AUDITSHIP_INPUT for a file of tests or events, AUDITSHIP_RULE_INVALID if a rule was refused
 */
export async function runTests(
  files: readonly string[],
  options: TestOptions,
  output: CommandOutput,
): Promise<TestResult[]> {
  const results: TestResult[] = [];
  for (const file of files) {
    for (const suite of await readTestFile(file)) {
      const rules = await loadSuiteRules(suite, options, output);
      for (const test of suite.tests) {
        const started = performance.now();
        const differences = await run(test, rules);
        const result = { suite: file, test, differences, seconds: (performance.now() - started) / 1000 };
        output.print(report(result));
        results.push(result);
      }
    }
  }
  const failed = results.filter(({ differences }) => differences.length > 0).length;
  output.print(`${results.length} tests, ${failed} failed\n`);
  return results;
}

/** As the agent loads them, thresholds and stages included. A rule that is refused would be tested in vain. */
async function loadSuiteRules(
  { file, rules }: TestSuite,
  options: TestOptions,
  output: CommandOutput,
): Promise<RuleSet> {
  const paths = options.rules.length > 0 ? options.rules : (rules?.paths ?? []);
  if (paths.length === 0)
    throw new AuditshipError("AUDITSHIP_USAGE", "there are no rules to test: name them under rules, or by --rules.", {
      file,
    });
  const thresholds = { archivingPriority: "DEBUG", alertingPriority: "WARNING" };
  const loaded = await loadRules({ ...thresholds, ...rules, paths });
  for (const warning of loaded.warnings) output.complain(`warning: ${warning.line()}`);
  for (const error of loaded.refused) output.complain(error.line());
  if (loaded.refused.length > 0) {
    const message = `${loaded.refused.length} rules were refused; mend them first.`;
    throw new AuditshipError("AUDITSHIP_RULE_INVALID", message, { file });
  }
  return loaded.set;
}

async function run(test: RuleTest, rules: RuleSet): Promise<string[]> {
  const found: Match[] = [];
  const wrong: string[] = [];
  let n = 0;
  const files = await inputFiles(test.files);
  for await (const batch of readInput(files, ({ file, line }) => wrong.push(`${file}:${line} is no event`)))
    look(batch);
  for (const event of test.events) {
    const batch = batchOf(event);
    if (batch.count !== 1 || (batch.flags(0) & Flag.invalid) !== 0) wrong.push(`event ${n + 1} is no event: ${event}`);
    look(batch);
  }
  return [...wrong, ...compare(test.expect, found)];

  function look(batch: Batch): void {
    rules.evaluate(batch);
    for (let row = 0; row < batch.count; row++) {
      if ((batch.flags(row) & Flag.invalid) !== 0) continue;
      n++;
      for (const match of batch.matches(row))
        if (test.only?.includes(match.rule) ?? true) found.push(describeMatch(match, batch.at(row), n) as Match);
    }
  }
}

function batchOf(event: string): EventBatch {
  const bytes = Buffer.from(`${event}\n`);
  const batch = new EventBatch({ capacity: 0, documents: { cluster: "", node: "", labels: {} } });
  const file = { fingerprint: "", id: "", ordinal: 0, time: 0 };
  batch.load({ bytes, length: bytes.length, file, offset: 0 }, "test");
  return batch;
}

/** Pairs what was expected with what was found, the first of the same rule and event each, and says what differs. */
function compare(expected: readonly ExpectedMatch[], found: readonly Match[]): string[] {
  const left = [...found];
  const lines: { n: number; text: string }[] = [];
  for (const wanted of expected) {
    const same = left.filter(({ rule, n }) => rule === wanted.rule && n === (wanted.n ?? n));
    const match = same.find((candidate) => differing(wanted, candidate).length === 0) ?? same[0];
    if (match === undefined) {
      lines.push({ n: wanted.n ?? Number.POSITIVE_INFINITY, text: `- ${title(wanted)}` });
      continue;
    }
    left.splice(left.indexOf(match), 1);
    for (const member of differing(wanted, match)) {
      const text = `  ${title(match)} ${member}\n- ${JSON.stringify(wanted[member])}\n+ ${JSON.stringify(match[member])}`;
      lines.push({ n: match.n ?? 0, text });
    }
  }
  for (const match of left)
    lines.push({ n: match.n ?? 0, text: `+ ${title(match)}  ${match.priority}  ${match.message}` });
  return lines.sort((a, b) => a.n - b.n).flatMap(({ text }) => text.split("\n"));
}

function differing(wanted: ExpectedMatch, match: Match): string[] {
  return Object.keys(wanted).filter((member) => !isDeepStrictEqual(wanted[member], match[member]));
}

const title = ({ n, rule }: ExpectedMatch): string => (n === undefined ? rule : `event ${n}: ${rule}`);

function report({ test, differences }: TestResult): string {
  if (differences.length === 0) return `ok    ${test.name}\n`;
  const { file, line } = test.place;
  const shown = differences.map((difference) => `        ${difference}\n`).join("");
  return `FAIL  ${test.name}  (${file}:${line})\n      - expected, + found\n${shown}`;
}
