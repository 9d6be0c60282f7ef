import { type Command, Option } from "commander";
import { EXIT, examples, type Finish } from "./command.js";

export function addEval(program: Command, finish: Finish): void {
  program
    .command("eval")
    .description('Answer {"condition","event"} lines on stdin with {"result"} or {"error"} lines on stdout.')
    .addOption(
      new Option("--dialect <name>", "how conditions are written")
        .choices(["kubesphere", "falco", "sigma"])
        .makeOptionMandatory(),
    )
    .option("--rules <file>", "macros, lists, aliases and searches that conditions may name")
    .addHelpText(
      "after",
      examples(
        [
          `echo '{"condition":"Verb = \\"get\\"","event":{"verb":"get"}}' | auditship eval --dialect kubesphere`,
          'prints {"result":true}',
        ],
        ["auditship eval --dialect kubesphere --rules macros.yaml < questions.ndjson", "with macros"],
        [
          `echo '{"condition":"verb|startswith: GE","event":{"verb":"get"}}' | auditship eval --dialect sigma`,
          "Sigma: a condition over the searches of --rules, or YAML: a rule, its detection, or one search",
        ],
      ),
    )
    .action(async ({ dialect, rules }: { dialect: "kubesphere" | "falco" | "sigma"; rules?: string }) => {
      const { evaluateLines } = await import("../commands/evaluate.js");
      const { standardInput } = await import("../commands/input.js");
      const { Output } = await import("./output.js");
      await evaluateLines(standardInput(), dialect, rules, new Output());
      finish(EXIT.fine);
    });
}
