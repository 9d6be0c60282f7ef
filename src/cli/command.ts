import { InvalidArgumentError, Option } from "commander";
import { AuditshipError } from "../plugin/error.js";

/** What a command ends with. */
export const EXIT = { fine: 0, failed: 1, usage: 2 } as const;

/** Takes a command's exit code. */
export type Finish = (code: number) => void;

/** The examples at the end of a command's help: a command line and what it is for. */
export function examples(...lines: readonly (readonly [command: string, purpose: string])[]): string {
  return `\nExamples:\n${lines.map(([command, purpose]) => `  # ${purpose}\n  $ ${command}\n`).join("")}`;
}

/** As `rules.like` of the configuration. */
export const likeOption = (): Option =>
  new Option("--like <how>", "KubeSphere rules: like is found anywhere, or is the whole text").choices([
    "upstream",
    "anchored",
  ]);

export const redactOption = (): Option =>
  new Option(
    "--redact <profile>",
    "show what would leave: default, strict, off, or the configuration that says what is redacted",
  );

/** What arguments are that name audit files. */
export const FILES = "audit files, plain or gzip, or directories of them; - is standard input";

/** For options that take one. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError("It must be a number.");
  return value;
}

/** For options that take one above 0. */
export function positive(text: string): number {
  const value = number(text);
  if (value === 0) throw new InvalidArgumentError("It must be above 0.");
  return value;
}

/** For options that may be repeated. */
export const collect = (value: string, all: readonly string[] = []): string[] => [...all, value];

/** For options that count, or number, from 1. */
export function ordinal(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a number from 1.");
}

/** Lines of commands that have more to do than to print: they go on when nobody reads. */
export const lines = {
  print: (line: string) => void process.stdout.write(`${line}\n`),
  complain: (line: string) => void process.stderr.write(`auditship: ${line}\n`),
};

/** Ends a command whose results cannot be written. A reader that has enough (`| head`) is no failure. */
export function endUnprinted(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") return;
  const unprinted = new AuditshipError("AUDITSHIP_OUTPUT", `standard output cannot be written: ${error.message}.`);
  process.stderr.write(`auditship: ${unprinted.line()}\n`);
  process.exit(EXIT.failed);
}

/** An agent goes on instead: its sink on standard output says what is wrong with it. */
export function outliveOutput(): void {
  process.stdout.off("error", endUnprinted).on("error", () => {});
}

/** Milliseconds that a stopped agent has to end by itself. */
const GRACE = 500;

/**
 * Ends the process soon, whatever still goes on in it: the look-up of a sink's name cannot be cut off, and would keep a stopped
 * agent until the resolver gives up.
 */
export function endSoon(): void {
  setTimeout(() => process.exit(), GRACE).unref();
}
