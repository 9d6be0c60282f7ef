import { InvalidArgumentError, Option } from "commander";
import { AuditshipError } from "../plugin/error.js";

/** Exit codes. */
export const EXIT = { fine: 0, failed: 1, usage: 2 } as const;

/** Takes a command's exit code. */
export type Finish = (code: number) => void;

/** The examples at the end of a command's help: a command line and what it is for. */
export function examples(...lines: readonly (readonly [command: string, purpose: string])[]): string {
  return `\nExamples:\n${lines.map(([command, purpose]) => `  # ${purpose}\n  $ ${command}\n`).join("")}`;
}

/** As `rules.like` of the configuration. */
export const likeOption = (): Option =>
  new Option("--like <how>", "KubeSphere rules: like matches anywhere in the text, or the whole text").choices([
    "upstream",
    "anchored",
  ]);

export const redactOption = (): Option =>
  new Option(
    "--redact <profile>",
    "show what would leave the node: default, strict, off, or a configuration file whose redact stage is used",
  );

/** Help of arguments that name audit files. */
export const FILES = "audit files, plain or gzip, or directories of them; - is standard input";

/** Parses an option that is a number. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError("It must be a number.");
  return value;
}

/** Parses an option that is a number above 0. */
export function positive(text: string): number {
  const value = number(text);
  if (value === 0) throw new InvalidArgumentError("It must be above 0.");
  return value;
}

/** Collects an option that may be repeated. */
export const collect = (value: string, all: readonly string[] = []): string[] => [...all, value];

/** Parses an option that counts from 1. */
export function ordinal(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a number from 1.");
}

/** Writes lines for commands that do more than print: they go on when nobody reads. */
export const lines = {
  print: (line: string) => void process.stdout.write(`${line}\n`),
  complain: (line: string) => void process.stderr.write(`auditship: ${line}\n`),
};

/** Ends a command whose results cannot be written. A reader that has read enough (`| head`) is not a failure. */
export function endUnprinted(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") return;
  const unprinted = new AuditshipError("AUDITSHIP_OUTPUT", `standard output cannot be written: ${error.message}.`);
  process.stderr.write(`auditship: ${unprinted.line()}\n`);
  process.exit(EXIT.failed);
}

/** For an agent, which goes on instead: its sink on standard output reports what is wrong. */
export function outliveOutput(): void {
  process.stdout.off("error", endUnprinted).on("error", () => {});
}

/** Milliseconds that a stopped agent has to end by itself. */
const GRACE = 500;

/**
 * Ends the process soon, whatever is still going on: a look-up of a sink's name cannot be aborted, and would keep a stopped agent
 * alive until the resolver gives up.
 */
export function endSoon(): void {
  setTimeout(() => process.exit(), GRACE).unref();
}
