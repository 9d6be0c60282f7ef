import { readFileSync } from "node:fs";
import type { Place } from "../plugin/index.js";

/** A longer line is shown around the place only, in UTF-16 units. */
const WIDTH = 100;
/** What is underlined: a string, a reference, a name or number, or else one sign. */
const WORD = /"[^"]*"?|\$\{[^}]*\}?|[\w.[\]*:-]+|./uy;

/** The line that a place stands in, and under it `^^^` at the word that is there; undefined if it cannot be shown. */
export function excerpt({ file, line, column }: Place): string | undefined {
  if (file === undefined || line === undefined || column === undefined) return undefined;
  const text = lineOf(file, line);
  if (text === undefined) return undefined;
  WORD.lastIndex = column - 1;
  const word = WORD.exec(text)?.[0] ?? "";
  const from = Math.max(0, Math.min(column - 1 - WIDTH / 2, text.length - WIDTH));
  const shown = text.slice(from, from + WIDTH).replaceAll("\t", " ");
  const marks = "^".repeat(Math.max(1, Math.min(word.length, from + WIDTH - column + 1)));
  return `    ${shown}\n    ${" ".repeat(column - 1 - from)}${marks}`;
}

function lineOf(file: string, line: number): string | undefined {
  try {
    return readFileSync(file, "utf8").split("\n")[line - 1]?.replace(/\r$/, "");
  } catch {
    return undefined;
  }
}
