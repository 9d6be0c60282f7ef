import type { Command } from "commander";
import { EXIT, endSoon, examples, type Finish, outliveOutput, positive } from "./command.js";

export function addQuickstart(program: Command, finish: Finish): void {
  program
    .command("quickstart")
    .description("Watch it work: a simulated cluster's log, tailed, matched, redacted and archived under .auditship/.")
    .option("--rate <n>", "simulated events per second", positive, 50)
    .addHelpText(
      "after",
      `${examples(
        ["auditship quickstart", "until Ctrl-C; the next start resumes where this one was"],
        ["auditship quickstart --rate 500", "a busier cluster"],
        ["rm -r .auditship", "forget everything"],
      )}`,
    )
    .action(async (options: { rate: number }) => {
      outliveOutput();
      const { quickstart } = await import("../commands/quickstart.js");
      finish((await quickstart(process.cwd(), options.rate)) ? EXIT.fine : EXIT.failed);
      endSoon();
    });
}
