import { rulesSchema } from "../config/schema.js";
import { Flag, type RuleMatch } from "../plugin/index.js";
import { describeMatch, type LoadedRules, loadRules } from "../rules/index.js";
import { readInput } from "./input.js";
import type { CommandOutput } from "./output.js";

export interface MatchOptions {
  /** Files or directories, loaded in this order. */
  rules: readonly string[];
  dialect?: string;
  /** Counts instead of matches. */
  summary?: boolean;
}

/** Invalid lines that are told one by one; of the rest only the number. */
const TOLD = 20;

/** Runs rules over files: one JSON line per match, in the order of events, then of definition. DESIGN §8. */
export async function matchFiles(
  files: readonly string[],
  options: MatchOptions,
  output: CommandOutput,
): Promise<LoadedRules> {
  const started = performance.now();
  const loaded = await loadRules(rulesSchema.parse({ paths: options.rules }));
  for (const error of loaded.refused) output.complain(error.line());
  for (const warning of loaded.warnings) output.complain(warning.line());
  const summary = new Summary();
  const batches = readInput(files, ({ file, line, reason }) => {
    if (++summary.invalid <= TOLD) output.complain(`${file}:${line}: no event (${reason})`);
  });
  for await (const batch of batches) {
    loaded.set.evaluate(batch);
    for (let row = 0; row < batch.count; row++) {
      if ((batch.flags(row) & Flag.invalid) !== 0) continue;
      const n = ++summary.events;
      for (const match of batch.matches(row)) {
        summary.count(match);
        if (!options.summary) output.print(`${JSON.stringify(describeMatch(match, batch.at(row), n))}\n`);
      }
    }
    await output.drained();
  }
  if (summary.invalid > TOLD) output.complain(`${summary.invalid - TOLD} more lines are no events`);
  if (options.summary) output.print(summary.text((performance.now() - started) / 1000));
  return loaded;
}

/** How often each rule matched. */
class Summary {
  events = 0;
  invalid = 0;
  #matches = 0;
  readonly #byRule = new Map<RuleMatch, number>();

  count(match: RuleMatch): void {
    this.#matches++;
    this.#byRule.set(match, (this.#byRule.get(match) ?? 0) + 1);
  }

  /** A table, the most frequent first. */
  text(seconds: number): string {
    const rows = [...this.#byRule].sort(([, a], [, b]) => b - a);
    const width = Math.max(4, ...rows.map(([{ rule }]) => rule.length));
    const lines = rows.map(
      ([{ rule, dialect, priority }, count]) =>
        `${String(count).padStart(9)}  ${rule.padEnd(width)}  ${priority.padEnd(13)}  ${dialect}`,
    );
    const totals = `${this.events} events, ${this.invalid} invalid lines, ${this.#matches} matches of ${rows.length} rules, ${seconds.toFixed(2)} s`;
    return `${["  matches  rule", ...lines, totals].join("\n")}\n`;
  }
}
