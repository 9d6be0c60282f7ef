import type { Command } from "commander";
import { AuditshipError } from "../plugin/error.js";
import { collect, examples, type Finish } from "./command.js";

export function addCheck(program: Command, finish: Finish): void {
  program
    .command("check")
    .description("Check a configuration, its rules and its sinks; say what it would do.")
    .option("-c, --config <file>", "the configuration")
    .option("--rules <path>", "check only these rules; may be repeated", collect, [])
    .addHelpText(
      "after",
      `${examples(
        ["auditship check -c auditship.yaml", "everything, with a probe of each sink"],
        ["auditship check --rules rules/", "rules only"],
      )}
Exit code: 0 fine, 1 a sink does not answer, 2 an error in configuration or rules.
`,
    )
    .action(async (options: { config?: string; rules: string[] }) => {
      if (!options.config && options.rules.length === 0) {
        throw new AuditshipError("AUDITSHIP_USAGE", "check needs a configuration (-c FILE) or rules (--rules PATH).");
      }
      const { checkConfig, checkRules } = await import("../pipeline/check.js");
      const print = (line: string) => void process.stdout.write(`${line}\n`);
      if (options.rules.length > 0) finish(await checkRules(options.rules, print));
      if (options.config) finish(await checkConfig(options.config, print));
    });
}
