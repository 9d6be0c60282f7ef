import type { Command } from "commander";
import { Signals } from "../commands/signals.js";
import { EXIT, endSoon, examples, type Finish, outliveOutput } from "./command.js";

export function addRun(program: Command, finish: Finish): void {
  program
    .command("run")
    .description("Run the agent: read the log, match rules, redact, and ship.")
    .requiredOption("-c, --config <file>", "the configuration")
    .option("--once", "read what is there, deliver it, exit")
    .addHelpText(
      "after",
      `${examples(
        ["auditship run -c /etc/auditship/auditship.yaml", "run until SIGTERM"],
        [
          "auditship run -c auditship.yaml --once",
          "ship what is there, then exit; 1 if something could not be delivered",
        ],
        ["pkill -HUP -f 'auditship(\\.js)? run'", "reload configuration and rules"],
      )}
SIGTERM and SIGINT stop it within shutdownTimeout, a second one at once. A changed configuration or rules file is
reloaded; one with errors leaves everything as it was. With --once it waits for a sink that does not answer, for as long as that takes.
`,
    )
    .action(async ({ config, once }: { config: string; once?: boolean }) => {
      const signals = new Signals({ once });
      outliveOutput();
      const { runService } = await import("../commands/run.js");
      finish((await runService(config, { once, signals })) ? EXIT.fine : EXIT.failed);
      endSoon();
    });
}
