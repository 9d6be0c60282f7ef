import { type Command, Option } from "commander";
import { EXIT, examples, type Finish, lines } from "./command.js";

interface Options {
  config: string;
  sink?: string;
  yes?: boolean;
  dryRun?: boolean;
}

export function addRetention(program: Command, finish: Finish): void {
  program
    .command("retention")
    .description("Delete daily indices older than a sink's retention, on servers that do not do it themselves.")
    .requiredOption("-c, --config <file>", "the configuration")
    .option("--sink <name>", "only this sink")
    .addOption(new Option("-y, --yes", "delete, even on a terminal").conflicts("dryRun"))
    .option("--dry-run", "only print what would be deleted; the default on a terminal")
    .addHelpText(
      "after",
      `${examples(
        ["auditship retention -c auditship.yaml", "on a terminal: what would be deleted"],
        ["auditship retention -c auditship.yaml --yes", "delete it; in a cron job --yes is not needed"],
      )}
Exit code: 0 fine, 1 something could not be deleted.
`,
    )
    .action(async (options: Options) => {
      const { expireSinks } = await import("../commands/upkeep.js");
      const dryRun = options.dryRun ?? (!options.yes && isTerminal());
      const done = await expireSinks(options.config, options.sink, dryRun, lines);
      if (dryRun && !options.dryRun) lines.print("nothing was deleted: this was a dry run; add --yes to delete.");
      finish(done ? EXIT.fine : EXIT.failed);
    });
}

/** True if a person calls it: also when its output goes through a pager. */
const isTerminal = (): boolean => process.stdin.isTTY === true || process.stdout.isTTY === true;
