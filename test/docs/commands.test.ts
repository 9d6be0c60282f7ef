import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { createProgram } from "../../src/cli/index.js";
import { blocks, pages, textOf } from "./pages.js";

/** The arguments of each call of `auditship` in a line for a shell, without redirections. */
function calls(line: string): string[][] {
  const words = [...line.matchAll(/'([^']*)'|"([^"]*)"|[^\s'"]+/g)].map(
    ([word, single, double]) => single ?? double ?? word,
  );
  return words.flatMap((word, at) => {
    if (word !== "auditship" || (at > 0 && words[at - 1] !== "|")) return [];
    const args = words.slice(at + 1);
    const end = args.findIndex((arg) => /^[|<>#]/.test(arg));
    return [end < 0 ? args : args.slice(0, end)];
  });
}

/** All commands, those of commands too. */
const within = (command: Command): Command[] => [command, ...command.commands.flatMap(within)];

/** The program, which does nothing but take its arguments. */
function idle(): Command {
  const program = createProgram(() => {});
  for (const command of within(program)) {
    command.exitOverride().configureOutput({ writeErr() {}, writeOut() {} });
    if (command.commands.length === 0) command.action(() => {});
  }
  return program;
}

function helpOf(command: Command): string {
  const texts: string[] = [];
  command.configureOutput({ writeOut: (text) => void texts.push(text) }).outputHelp();
  return texts.join("");
}

const fromPages = pages().flatMap((page) =>
  blocks(page, "sh")
    .flatMap((text) => text.split("\n").flatMap(calls))
    .map((args) => ({ where: page, line: args.join(" "), args })),
);
const fromHelp = within(createProgram(() => {})).flatMap((command) =>
  [...helpOf(command).matchAll(/^ {2}\$ (.*)$/gm)]
    .flatMap(([, line]) => calls(line))
    .map((args) => ({ where: `${command.name()} --help`, line: args.join(" "), args })),
);
const fromSentences = pages()
  .filter((page) => page !== "CHANGELOG.md")
  .flatMap((page) => [...textOf(page).matchAll(/`auditship ([^`]+)`/g)].map(([, line]) => ({ where: page, line })));

describe("the command lines", () => {
  it("are found", () => {
    expect(fromPages.length).toBeGreaterThan(20);
    expect(fromHelp.length).toBeGreaterThan(25);
    expect(fromSentences.length).toBeGreaterThan(20);
  });

  it.each([...fromPages, ...fromHelp])("are taken: auditship $line ($where)", async ({ args }) => {
    await idle().parseAsync(["node", "auditship", ...args]);
  });

  it("that stand in sentences name commands and options that there are", () => {
    const options = new Map(
      within(createProgram(() => {})).map((command) => [command.name(), command.options.map(({ long }) => long)]),
    );
    const unknown = fromSentences.filter(({ line }) => {
      const words = line.split(/[\s[\]]+/);
      const command = words[0] === "dlq" && words.length > 1 ? words[1] : words[0];
      const known = options.get(command);
      return !known || words.some((word) => word.startsWith("--") && !known.includes(word));
    });
    expect(unknown).toEqual([]);
  });
});
