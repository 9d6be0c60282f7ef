import { type Command, Option } from "commander";
import { collect, EXIT, examples, FILES, type Finish, redactOption } from "./command.js";

export function addFields(program: Command, finish: Finish): void {
  program
    .command("fields")
    .description("Show what a dialect's fields say of the events in audit files: one JSON line per event.")
    .argument("<file...>", FILES)
    .addOption(new Option("--dialect <name>", "whose fields").choices(["falco"]).makeOptionMandatory())
    .option("--field <name>", "one more, with its argument: ka.uri.param[q]; may be repeated", collect)
    .addOption(redactOption())
    .addHelpText(
      "after",
      examples(
        ["auditship fields --dialect falco audit.log", "every ka.* field that an event has"],
        ["auditship fields --dialect falco --field 'jevt.value[/stage]' audit.log", "and one with an argument"],
      ),
    )
    .action(async (files: string[], options: { field?: string[]; redact?: string }) => {
      const { listFileFields } = await import("../commands/fields.js");
      const { Output } = await import("./output.js");
      await listFileFields(files, options, new Output());
      finish(EXIT.fine);
    });
}
