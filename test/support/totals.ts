import { appendFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

/**
 * Appends a line `passed failed skipped` to the file that AUDITSHIP_TEST_TOTALS names, so that several runs can be summed up. A
 * file that could not be loaded, a failed hook and an error outside of any test count as failed.
 */
export default class Totals implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    const suites = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const broken = errors.length + suites.flatMap((suite) => suite.errors()).length;
    const failed = count("failed") + broken;
    const passed = count("passed");
    const line = `${passed} ${failed} ${tests.length - passed - count("failed")}\n`;
    appendFileSync(process.env.AUDITSHIP_TEST_TOTALS!, line);
  }
}
