import { type Command, Option } from "commander";
import { EXIT, examples, type Finish, notInThisVersion } from "./command.js";

export function addEval(program: Command, finish: Finish): void {
  program
    .command("eval")
    .description('Answer {"condition","event"} lines on stdin with {"result"} or {"error"} lines on stdout.')
    .addOption(
      new Option("--dialect <name>", "how conditions are written")
        .choices(["kubesphere", "falco", "sigma"])
        .makeOptionMandatory(),
    )
    .option("--rules <file>", "macros, lists and aliases that conditions may name")
    .addHelpText(
      "after",
      examples(
        [
          `echo '{"condition":"Verb = \\"get\\"","event":{"verb":"get"}}' | auditship eval --dialect kubesphere`,
          'prints {"result":true}',
        ],
        ["auditship eval --dialect kubesphere --rules macros.yaml < questions.ndjson", "with macros"],
      ),
    )
    .action(async ({ dialect, rules }: { dialect: "kubesphere" | "falco" | "sigma"; rules?: string }) => {
      if (dialect === "sigma") throw notInThisVersion("eval", dialect);
      const { evaluateLines } = await import("../pipeline/evaluate.js");
      const { Output } = await import("./output.js");
      await evaluateLines(process.stdin, dialect, rules, new Output());
      finish(EXIT.fine);
    });
}
