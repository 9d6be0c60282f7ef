import { appendFileSync } from "node:fs";
import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node";

/** Of an error: its first lines, which say what was expected. */
const reason = ({ message = "" }: { readonly message?: string }) =>
  message.split("\n").slice(0, 3).join(" ").slice(0, 500);

/**
 * Appends a line `passed failed skipped` to the file that AUDITSHIP_TEST_TOTALS names, so that several runs can be summed up, and
 * a line `- test: reason` for each failure, so that they can be named at the very end. A file that could not be loaded, a failed
 * hook and an error outside of any test count as failed.
 */
export default class Totals implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly { readonly message?: string }[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    const suites = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const failures = [
      ...tests.filter((test) => test.result().state === "failed").map(failure),
      ...suites.flatMap((suite) => suite.errors().map((error) => `- ${fileOf(suite)} > a suite: ${reason(error)}`)),
      ...errors.map((error) => `- outside of any test: ${reason(error)}`),
    ];
    const passed = count("passed");
    const totals = `${passed} ${failures.length} ${tests.length - passed - count("failed")}`;
    appendFileSync(process.env.AUDITSHIP_TEST_TOTALS!, `${[totals, ...failures].join("\n")}\n`);
  }
}

function fileOf(suite: TestModule | TestSuite): string {
  return (suite.type === "suite" ? suite.module : suite).relativeModuleId;
}

function failure(test: TestCase): string {
  const [error] = test.result().errors ?? [];
  return `- ${test.module.relativeModuleId} > ${test.fullName}: ${error ? reason(error) : "no error"}`;
}
