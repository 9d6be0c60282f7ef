import type { Command } from "commander";
import { EXIT, examples, type Finish, lines } from "./command.js";

export function addSetup(program: Command, finish: Finish): void {
  program
    .command("setup")
    .description("Prepare the far end of each sink: index templates and lifecycle policies.")
    .requiredOption("-c, --config <file>", "the configuration")
    .option("--sink <name>", "only this sink")
    .option("--print", "print what would be sent, for consoles of the servers; ask nobody")
    .addHelpText(
      "after",
      examples(
        ["auditship setup -c auditship.yaml", "once, before the first run, with an account that may do it"],
        ["auditship setup -c auditship.yaml --sink archive", "one sink only"],
        ["auditship setup -c auditship.yaml --print", "for somebody else who may do it"],
      ),
    )
    .action(async (options: { config: string; sink?: string; print?: boolean }) => {
      const { printSetup, setUpSinks } = await import("../commands/upkeep.js");
      const work = options.print ? printSetup : setUpSinks;
      const done = await work(options.config, options.sink, lines);
      finish(done ? EXIT.fine : EXIT.failed);
    });
}
