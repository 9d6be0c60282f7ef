import type { Command } from "commander";
import { AuditshipError } from "../plugin/error.js";
import { collect, EXIT, examples, type Finish } from "./command.js";

export function addTest(program: Command, finish: Finish): void {
  program
    .command("test")
    .description("Run unit tests of rules: events in, expected matches out.")
    .argument("<file...>", "files of tests, in YAML")
    .option("--rules <path>", "test these rules instead of those that the files name; may be repeated", collect)
    .option("--junit <file>", "write the results as JUnit's XML, too")
    .addHelpText(
      "after",
      `${examples(
        ["auditship test tests/*.yaml", "run tests; they name their rules"],
        ["auditship test --rules config/rules tests.yaml --junit report.xml", "of these rules, with a report for CI"],
      )}
A file of tests:
  rules: [rules/]                      # paths, or a section like rules: of the configuration
  tests:
    - name: a person reads a secret
      events:                          # or files: [audit.log]
        - { verb: get, user: { username: eve }, objectRef: { resource: secrets, name: db }, stage: ResponseComplete }
      expect: [{ rule: SecretRead, priority: WARNING }]

Exit code: 0 all passed, 1 a test failed or the report cannot be written, 2 an error in tests or rules.
`,
    )
    .action(async (files: string[], { rules = [], junit }: { rules?: string[]; junit?: string }) => {
      const { runTests } = await import("../commands/rule-tests.js");
      const { Output } = await import("./output.js");
      const results = await runTests(files, { rules }, new Output());
      if (junit !== undefined) await writeReport(junit, results);
      finish(results.some(({ differences }) => differences.length > 0) ? EXIT.failed : EXIT.fine);
    });
}

async function writeReport(
  file: string,
  results: Parameters<typeof import("../commands/junit.js").junit>[0],
): Promise<void> {
  const { junit } = await import("../commands/junit.js");
  const { writeFile } = await import("node:fs/promises");
  try {
    await writeFile(file, junit(results));
  } catch (cause) {
    throw new AuditshipError(
      "AUDITSHIP_OUTPUT",
      `the report cannot be written: ${(cause as Error).message}.`,
      { file },
      { cause },
    );
  }
}
