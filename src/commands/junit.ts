import type { TestResult } from "./rule-tests.js";

/** The results as JUnit's XML, as CI systems read it: a suite for each file. */
export function junit(results: readonly TestResult[]): string {
  const suites = [...new Set(results.map(({ suite }) => suite))].map((name) => {
    const own = results.filter(({ suite }) => suite === name);
    return `${open("testsuite", { name, ...totals(own) })}\n${own.map(testCase).join("")}  </testsuite>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites${attributes(totals(results))}>\n${suites.join("")}</testsuites>\n`;
}

function totals(results: readonly TestResult[]): Record<string, string | number> {
  const failures = results.filter(({ differences }) => differences.length > 0).length;
  const time = results.reduce((sum, { seconds }) => sum + seconds, 0);
  return { tests: results.length, failures, errors: 0, time: time.toFixed(3) };
}

function testCase({ suite, test, differences, seconds }: TestResult): string {
  const { file = "", line = 1 } = test.place;
  const opening = open("testcase", { classname: suite, name: test.name, file, line, time: seconds.toFixed(3) }, 4);
  if (differences.length === 0) return `${opening.slice(0, -1)}/>\n`;
  const message = `${differences.length} lines differ (- expected, + found)`;
  const failure = `${open("failure", { message }, 6)}${escapeXml(differences.join("\n"))}</failure>\n`;
  return `${opening}\n${failure}    </testcase>\n`;
}

function open(tag: string, values: Record<string, string | number>, indent = 2): string {
  return `${" ".repeat(indent)}<${tag}${attributes(values)}>`;
}

function attributes(values: Record<string, string | number>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escapeXml(String(value))}"`)
    .join("");
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;" };

/** What XML cannot hold at all becomes U+FFFD. */
function escapeXml(text: string): string {
  return Buffer.from(text)
    .toString()
    .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "\ufffd")
    .replace(/[&<>"\n]/g, (sign) => ENTITIES[sign]);
}
