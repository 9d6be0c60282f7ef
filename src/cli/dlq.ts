import { type Command, InvalidArgumentError } from "commander";
import { parseTime } from "../plugin/time.js";
import { collect, EXIT, examples, type Finish, lines, ordinal } from "./command.js";

interface Options {
  config: string;
  sink?: string;
  id?: string[];
  reason?: string;
  since?: number;
  until?: number;
  limit?: number;
}

export function addDlq(program: Command, finish: Finish): void {
  const dlq = program
    .command("dlq")
    .description("Dead letters: events that a sink rejected for good.")
    .helpCommand(false)
    .addHelpText(
      "after",
      examples(
        ["auditship dlq list -c auditship.yaml", "what was rejected, and why"],
        ["auditship dlq show -c auditship.yaml --id ID", "the events themselves (redacted), as NDJSON"],
        ["auditship dlq replay -c auditship.yaml --sink archive", "send them again, once the cause is fixed"],
      ),
    );
  addList(dlq, finish);
  addShow(dlq, finish);
  addReplay(dlq, finish);
}

function addList(dlq: Command, finish: Finish): void {
  select(dlq.command("list").description("One line per dead letter: time, sink, id, attempts, reason."))
    .addHelpText(
      "after",
      examples(
        ["auditship dlq list -c auditship.yaml", "all"],
        ["auditship dlq list -c auditship.yaml --sink archive --reason mapper_parsing", "of one sink, for one reason"],
      ),
    )
    .action(async (options: Options) => {
      const { listDeadLetters } = await import("../commands/dead-letters.js");
      await listDeadLetters(options.config, filterOf(options), lines.print);
      finish(EXIT.fine);
    });
}

function addShow(dlq: Command, finish: Finish): void {
  select(dlq.command("show").description("The dead letters as NDJSON: id, sink, reason, line, members."))
    .addHelpText(
      "after",
      examples(
        ["auditship dlq show -c auditship.yaml --id ID", "one of them"],
        ["auditship dlq show -c auditship.yaml --since 2026-11-20T00:00:00Z > dead.ndjson", "keep a copy"],
      ),
    )
    .action(async (options: Options) => {
      const { showDeadLetters } = await import("../commands/dead-letters.js");
      const count = await showDeadLetters(options.config, filterOf(options), lines.print);
      if (count === 0) lines.complain("no dead letters");
      finish(EXIT.fine);
    });
}

function addReplay(dlq: Command, finish: Finish): void {
  select(dlq.command("replay").description("Send dead letters again, rendered as the sink is configured now."))
    .addHelpText(
      "after",
      `${examples(
        ["auditship dlq replay -c auditship.yaml", "all of them"],
        ["auditship dlq replay -c auditship.yaml --sink archive --limit 1", "try with one"],
      )}
What the sink accepts now is removed; what it rejects again stays. Works beside a running agent.
Exit code: 0 if all were accepted, 1 if some stay.
`,
    )
    .action(async (options: Options) => {
      const { replayDeadLetters } = await import("../commands/dead-letters.js");
      const { left } = await replayDeadLetters(options.config, filterOf(options), lines.print);
      finish(left === 0 ? EXIT.fine : EXIT.failed);
    });
}

/** The options that choose letters, the same for each command. */
function select(command: Command): Command {
  return command
    .requiredOption("-c, --config <file>", "the configuration")
    .option("--sink <name>", "only this sink's")
    .option("--id <id>", "only this one; may be repeated", collect)
    .option("--reason <text>", "only those whose reason contains it")
    .option("--since <time>", "set aside at or after this RFC 3339 time", time)
    .option("--until <time>", "set aside before this RFC 3339 time", time)
    .option("--limit <number>", "at most this many, the oldest of each sink first", ordinal);
}

const filterOf = ({ sink, id, reason, since, until, limit }: Options) => ({
  sink,
  ids: id && new Set(id),
  reason,
  since,
  until,
  limit,
});

function time(text: string): number {
  const bytes = Buffer.from(text);
  const at = parseTime(bytes, 0, bytes.length);
  if (Number.isNaN(at)) throw new InvalidArgumentError("It must be an RFC 3339 time such as 2026-11-20T00:00:00Z.");
  return at;
}
