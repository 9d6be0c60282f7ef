import type { Command } from "commander";
import { AuditshipError } from "../plugin/error.js";
import { collect, EXIT, examples, FILES, type Finish, likeOption, ordinal, redactOption } from "./command.js";

interface Options {
  config?: string;
  rules: string[];
  rule?: string;
  event?: number;
  auditId?: string;
  like?: "upstream" | "anchored";
  redact?: string;
  json?: boolean;
}

export function addExplain(program: Command, finish: Finish): void {
  program
    .command("explain")
    .description("Say why rules match events or not: every part of a condition, and the text that it saw.")
    .argument("[file...]", FILES)
    .option("--rules <path>", "a rules file or directory; may be repeated", collect)
    .option("-c, --config <file>", "instead: the rules of an agent's configuration; without files, on its own logs")
    .option("--rule <name>", "only this rule")
    .option("--event <n>", "only the event of this number, as match shows it", ordinal)
    .option("--audit-id <id>", "only events of this auditID, as documents and alerts show it")
    .addOption(likeOption())
    .addOption(redactOption())
    .option("--json", "one JSON line per event and rule")
    .addHelpText(
      "after",
      `${examples(
        ["auditship explain --rules rules/ --rule SecretRead audit.log", "one rule on every event"],
        ["auditship explain --rules rules/ --event 7 audit.log", "every rule on one event"],
        [
          "auditship explain -c auditship.yaml --rule SecretRead --audit-id 3f2a…",
          "beside a running agent: its rules on its log, redacted as it does",
        ],
      )}
Every part is shown, also those that no longer decide. It shows the original events, unredacted, without --redact or -c.
`,
    )
    .action(async (files: string[], given: Partial<Options>) => {
      const options = { rules: [], ...given };
      checkUsage(files, options);
      const { explainFiles } = await import("../commands/explain.js");
      const { Output } = await import("./output.js");
      await explainFiles(files, options, new Output());
      finish(EXIT.fine);
    });
}

function checkUsage(files: readonly string[], { config, rules, redact, like }: Options): void {
  const fail = (what: string): never => {
    throw new AuditshipError("AUDITSHIP_USAGE", `explain ${what}.`);
  };
  if (config === undefined && rules.length === 0) fail("needs rules (--rules PATH) or a configuration (-c FILE)");
  if (config === undefined && files.length === 0)
    fail("needs audit files, or a configuration (-c FILE) whose sources have some");
  if (config !== undefined && (rules.length > 0 || redact !== undefined || like !== undefined))
    fail("takes --rules, --like and --redact from the configuration: leave them out with -c");
}
