import { readFileSync } from "node:fs";
import type { Place } from "../plugin/index.js";

/** A longer line is shown around the place only, in UTF-16 units. */
const WIDTH = 100;
/** What is underlined: a string, a reference, a name or number, or else one sign. */
const WORD = /"[^"]*"?|\$\{[^}]*\}?|[\w.[\]*:-]+|./uy;

/** Shows the lines that places stand in. Errors come file by file: the one that was read last is kept. */
export class Excerpts {
  #file: string | undefined;
  #lines: readonly string[] = [];

  /** The line that a place stands in, and under it `^^^` at the word that is there; undefined if it cannot be shown. */
  at({ file, line, column }: Place): string | undefined {
    if (file === undefined || line === undefined || column === undefined) return undefined;
    const text = this.#lineOf(file, line);
    return text === undefined ? undefined : underlined(text, column);
  }

  #lineOf(file: string, line: number): string | undefined {
    if (file !== this.#file) this.#lines = linesOf(file);
    this.#file = file;
    return this.#lines[line - 1]?.replace(/\r$/, "");
  }
}

function underlined(text: string, column: number): string {
  WORD.lastIndex = column - 1;
  const word = WORD.exec(text)?.[0] ?? "";
  const from = Math.max(0, Math.min(column - 1 - WIDTH / 2, text.length - WIDTH));
  const shown = text.slice(from, from + WIDTH).replaceAll("\t", " ");
  const marks = "^".repeat(Math.max(1, Math.min(word.length, from + WIDTH - column + 1)));
  return `    ${shown}\n    ${" ".repeat(column - 1 - from)}${marks}`;
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    return [];
  }
}
