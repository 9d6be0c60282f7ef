import { type Command, Option } from "commander";
import type { Dialect } from "../plugin/match.js";
import { collect, EXIT, examples, FILES, type Finish, likeOption, redactOption } from "./command.js";

interface Options {
  rules: string[];
  dialect?: Dialect;
  matching: "first" | "all";
  summary?: boolean;
  failOn?: string;
  like?: "upstream" | "anchored";
  redact?: string;
}

export function addMatch(program: Command, finish: Finish): void {
  program
    .command("match")
    .description("Run rules over audit files: one JSON line per match.")
    .argument("<file...>", FILES)
    .requiredOption("--rules <path>", "a rules file or directory; may be repeated", collect)
    .addOption(
      new Option("--dialect <name>", "load only this dialect's rules").choices(["kubesphere", "falco", "sigma"]),
    )
    .addOption(
      new Option("--matching <how>", "Falco rules: the first that matches, or all")
        .choices(["first", "all"])
        .default("first"),
    )
    .option("--summary", "counts per rule instead of the matches")
    .option("--fail-on <priority>", "exit with 1 if something matches at this priority or above")
    .addOption(likeOption())
    .addOption(redactOption())
    .addHelpText(
      "after",
      `${examples(
        ["auditship match --rules rules/ audit.log", "matches as NDJSON"],
        [
          "auditship match --rules rules/ --summary /var/log/kubernetes/audit/",
          "how often each rule matched in a whole log",
        ],
        ["auditship match --rules rules/ --fail-on WARNING audit.log", "fail in CI if something is found"],
        ["kubectl … | auditship match --rules rules.yaml -", "from standard input"],
      )}
Exit code 0 also if something matched, unless --fail-on says otherwise. Invalid lines are named on stderr, without their content.
The matches show the original events, unredacted, without --redact.
`,
    )
    .action(async (files: string[], options: Options) => {
      const { matchFiles } = await import("../commands/match.js");
      const { Output } = await import("./output.js");
      finish((await matchFiles(files, options, new Output())) ? EXIT.fine : EXIT.failed);
    });
}
