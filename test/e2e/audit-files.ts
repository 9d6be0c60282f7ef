import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** One event as kube-apiserver wrote it. */
export interface Line {
  /** In its file, in bytes, decompressed. */
  offset: number;
  text: string;
}

/** Copies a log while it is written and rotated. @returns the copies, oldest first, as they all were at one time */
export function copyLog(directory: string, to: string): string[] {
  for (;;) {
    const names = logFiles(directory);
    try {
      for (const name of names) cpSync(join(directory, name), join(to, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw error;
    }
    if (logFiles(directory).join() === names.join()) return names.map((name) => join(to, name));
  }
}

/** The whole lines of a file. */
export function readLines(file: string): Line[] {
  const content = readFileSync(file);
  const bytes = file.endsWith(".gz") ? gunzipSync(content) : content;
  const lines: Line[] = [];
  for (let offset = 0, end = 0; ; offset = end + 1) {
    end = bytes.indexOf("\n", offset);
    if (end < 0) return lines;
    lines.push({ offset, text: bytes.toString("utf8", offset, end) });
  }
}

/** By their names: the time stands in those of backups, and the active file's comes last. */
function logFiles(directory: string): string[] {
  const names = readdirSync(directory).filter((name) => /^audit.*\.log(\.gz)?$/.test(name));
  return names.sort((a, b) => Number(a === "audit.log") - Number(b === "audit.log") || (a < b ? -1 : 1));
}
