import { Command, CommanderError } from "commander";
import type { AuditshipError, ErrorCode } from "../plugin/error.js";
import { VERSION } from "../version.js";
import { addCheck } from "./check.js";
import { EXIT, examples, type Finish } from "./command.js";
import { addDlq } from "./dlq.js";
import { addEval } from "./eval.js";
import { addExplain } from "./explain.js";
import { addFields } from "./fields.js";
import { addMatch } from "./match.js";
import { addQuickstart } from "./quickstart.js";
import { addRetention } from "./retention.js";
import { addRun } from "./run.js";
import { addSetup } from "./setup.js";
import { addSimulate } from "./simulate.js";
import { addStatus } from "./status.js";
import { addTest } from "./test.js";

/** Runs the command that `argv` (as in `process.argv`) names; its exit code. Writes errors to stderr, one line each. */
export async function main(argv: readonly string[]): Promise<number> {
  let code: number = EXIT.fine;
  const program = createProgram((result) => {
    code = result;
  });
  try {
    await program.parseAsync(argv);
    return code;
  } catch (error) {
    return report(error);
  }
}

/** The program with all its commands. */
export function createProgram(finish: Finish): Command {
  const program = new Command("auditship")
    .description("The agent that ships Kubernetes audit logs and understands them.")
    .version(VERSION, "-V, --version", "Print the version.")
    .helpOption("-h, --help", "Explain a command, with examples.")
    .helpCommand(false)
    .exitOverride();
  for (const add of [
    addRun,
    addStatus,
    addCheck,
    addMatch,
    addExplain,
    addTest,
    addEval,
    addFields,
    addSetup,
    addRetention,
    addDlq,
    addSimulate,
    addQuickstart,
  ]) {
    add(program, finish);
  }
  program.addHelpText(
    "after",
    examples(
      ["auditship quickstart", "watch it work on a simulated log, with no servers"],
      ["auditship check -c auditship.yaml", "what a configuration would do"],
      ["auditship run -c auditship.yaml", "run the agent"],
      ["auditship match --rules rules/ audit.log", "which events of a file the rules match"],
    ),
  );
  pointToHelp(program, program.name());
  return program;
}

/** Has errors in calls of a command, and of those below it, name its own help. `call` is how it is called. */
function pointToHelp(command: Command, call: string): void {
  command.configureOutput({ outputError: (text, write) => write(oneLine(text, call)) });
  for (const below of command.commands) pointToHelp(below, `${call} ${below.name()}`);
}

/** Codes that mean: mend what you gave me, and call again. */
const USAGE = /^AUDITSHIP_(USAGE|CONFIG|PLUGIN_LOAD|RULE|INPUT)/;

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.usage;
  if (isAuditshipError(error)) {
    for (const line of error.line().split("\n")) process.stderr.write(`auditship: ${line}\n`);
    return USAGE.test(error.code) ? EXIT.usage : EXIT.failed;
  }
  process.stderr.write(`auditship: unexpected: ${(error as Error)?.stack ?? error}\n`);
  return EXIT.failed;
}

/** Also of a foreign plugin, which may bring its own copy of the class. */
function isAuditshipError(error: unknown): error is AuditshipError {
  return (
    error instanceof Error && String((error as { code?: ErrorCode }).code).startsWith("AUDITSHIP_") && "line" in error
  );
}

/** Commander says what is wrong in up to two lines, and not where help is. */
function oneLine(text: string, call: string): string {
  const message = text
    .replace(/^error: /, "")
    .trim()
    .replace(/\s*\n\s*/g, " ")
    .replace(/\.$/, "");
  return `auditship: ${message}; see ${call} --help. (AUDITSHIP_USAGE)\n`;
}
