import type { Command } from "commander";
import { AuditshipError } from "../plugin/error.js";
import { collect, EXIT, examples, type Finish, lines } from "./command.js";

interface Options {
  config?: string;
  rules?: string[];
  auditPolicy?: string;
}

export function addCheck(program: Command, finish: Finish): void {
  program
    .command("check")
    .description("Check a configuration, its rules and its sinks, and say what it would do.")
    .option("-c, --config <file>", "the configuration")
    .option("--rules <path>", "check only these rules; may be repeated", collect)
    .option(
      "--audit-policy <file>",
      "with --rules: kube-apiserver's audit policy, to find rules that never match under it",
    )
    .addHelpText(
      "after",
      `${examples(
        ["auditship check -c auditship.yaml", "everything, with a probe of each sink"],
        ["auditship check --rules rules/", "rules only: what each does, what is wrong or odd about it"],
        ["auditship check --rules rules/ --audit-policy policy.yaml", "also which can never match under a policy"],
      )}
Exit code: 0 fine, 1 a sink does not answer, 2 an error in configuration or rules.
`,
    )
    .action(async ({ config, rules = [], auditPolicy }: Options) => {
      if (!config && rules.length === 0) {
        throw new AuditshipError("AUDITSHIP_USAGE", "check needs a configuration (-c FILE) or rules (--rules PATH).");
      }
      if (auditPolicy !== undefined && rules.length === 0) {
        throw new AuditshipError(
          "AUDITSHIP_USAGE",
          "--audit-policy goes with --rules; a configuration has rules.auditPolicy.",
        );
      }
      const { checkConfig, checkRules } = await import("../commands/check.js");
      const results = [];
      if (rules.length > 0) results.push(await checkRules(rules, auditPolicy, lines.print));
      if (config) results.push(await checkConfig(config, lines.print));
      const errors = results.flatMap((result) => result.errors);
      for (const error of errors) lines.complain(error);
      const unreachable = results.some((result) => result.unreachable.length > 0);
      finish(errors.length > 0 ? EXIT.usage : unreachable ? EXIT.failed : EXIT.fine);
    });
}
