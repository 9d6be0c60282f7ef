import type { Command } from "commander";
import { EXIT, examples, type Finish, lines } from "./command.js";

export function addStatus(program: Command, finish: Finish): void {
  program
    .command("status")
    .description("Ask the agent that runs on a configuration's state directory how its sinks do.")
    .requiredOption("-c, --config <file>", "the configuration")
    .addHelpText(
      "after",
      `${examples(["auditship status -c /etc/auditship/auditship.yaml", "each sink: its state, why it fails, how far it is behind"])}
Exit code: 0 all sinks take events, 1 no agent runs there or answers, or a sink is parked, stopped or failing.
`,
    )
    .action(async ({ config }: { config: string }) => {
      const { showStatus } = await import("../commands/status.js");
      finish((await showStatus(config, lines.print)) ? EXIT.fine : EXIT.failed);
    });
}
