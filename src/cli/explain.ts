import { type Command, InvalidArgumentError } from "commander";
import { collect, EXIT, examples, type Finish, likeOption } from "./command.js";

interface Options {
  rules: string[];
  rule?: string;
  event?: number;
  like?: "upstream" | "anchored";
  redact?: string;
  json?: boolean;
}

export function addExplain(program: Command, finish: Finish): void {
  program
    .command("explain")
    .description("Say why rules match events or not: every part of a condition, and the text that it saw.")
    .argument("<file...>", "audit files, plain or gzip, or directories of them; - is standard input")
    .requiredOption("--rules <path>", "a rules file or directory; may be repeated", collect)
    .option("--rule <name>", "only this rule")
    .option("--event <n>", "only the event of this number, as match shows it", eventNumber)
    .addOption(likeOption())
    .option("--redact <profile>", "show what would leave: default, or the configuration that says what is redacted")
    .option("--json", "one JSON line per event and rule")
    .addHelpText(
      "after",
      `${examples(
        ["auditship explain --rules rules/ --rule SecretRead audit.log", "one rule on every event"],
        ["auditship explain --rules rules/ --event 7 audit.log", "every rule on one event"],
      )}
Every part is shown, also those that no longer decide. It shows the original events, unredacted, without --redact.
`,
    )
    .action(async (files: string[], options: Options) => {
      const { explainFiles } = await import("../pipeline/explain.js");
      const { Output } = await import("./output.js");
      await explainFiles(files, options, new Output());
      finish(EXIT.fine);
    });
}

function eventNumber(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a number from 1.");
}
