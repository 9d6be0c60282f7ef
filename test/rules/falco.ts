import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Flag } from "../../src/plugin/index.js";
import { describeMatch, type LoadedRules, loadRules } from "../../src/rules/index.js";
import { batchOf } from "./events.js";

const DATA = resolve(process.env.AUDITSHIP_TEST_DATA ?? join(import.meta.dirname, "../../../shared/data"), "falco");

/** False where the data of Falco's own suite is not there. */
export const hasFalcoData = existsSync(DATA);

export function falcoFile(name: string): string {
  return join(DATA, name);
}

/** The JSON texts of a file, a line each; none without the data. */
export function falcoLines<T>(name: string): T[] {
  if (!hasFalcoData) return [];
  const lines = readFileSync(falcoFile(name), "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}

export function falcoJson<T>(name: string, otherwise: T): T {
  return hasFalcoData ? JSON.parse(readFileSync(falcoFile(name), "utf8")) : otherwise;
}

/** The lines of a file as they stand. */
export function falcoTexts(name: string): string[] {
  if (!hasFalcoData) return [];
  return readFileSync(falcoFile(name), "utf8")
    .split("\n")
    .filter((line) => line !== "");
}

export function loadFalco(files: readonly string[], matching: "first" | "all"): Promise<LoadedRules> {
  const thresholds = { archivingPriority: "DEBUG", alertingPriority: "WARNING" };
  return loadRules({ paths: files, ...thresholds, falco: { matching }, dialect: "falco" });
}

/** An alert as `match` prints it. */
export interface Alert {
  n: number;
  auditID: string | null;
  rule: string;
  priority: string;
  message: string;
  time: string;
  fields: Record<string, string | string[] | null>;
  tags: string[];
}

/** What the rules say of lines, in order. */
export function alertsOf({ set }: Pick<LoadedRules, "set">, lines: readonly string[]): Alert[] {
  const batch = batchOf(...lines);
  set.evaluate(batch);
  const alerts: Alert[] = [];
  let n = 0;
  for (let row = 0; row < batch.count; row++) {
    if (batch.flags(row) & Flag.invalid) continue;
    n++;
    for (const match of batch.matches(row)) alerts.push(describeMatch(match, batch.at(row), n) as Alert);
  }
  return alerts;
}
