import { AuditshipError, type Dialect, Flag, type RuleMatch } from "../plugin/index.js";
import { describeMatch, type LoadedRules, loadRules } from "../rules/index.js";
import { readInput } from "./input.js";
import type { CommandOutput } from "./output.js";

export interface MatchOptions {
  /** Files or directories, loaded in this order. */
  rules: readonly string[];
  /** Load only this dialect's rules. */
  dialect?: Dialect;
  /** Falco's rules: the first that matches, or all; the first if it is left out. */
  matching?: "first" | "all";
  /** Counts instead of matches. */
  summary?: boolean;
}

/** Invalid lines that are told one by one; of the rest only the number. */
const TOLD = 20;

/**
 * Runs rules over files: one JSON line per match, in the order of events, then of definition. Rules look at every audit stage.
 * DESIGN §8.
 * @throws AuditshipError AUDITSHIP_INPUT, or AUDITSHIP_RULE_INVALID if no rule could be loaded
 */
export async function matchFiles(
  files: readonly string[],
  options: MatchOptions,
  output: CommandOutput,
): Promise<void> {
  const started = performance.now();
  const { set } = await load(options, output);
  const summary = new Summary();
  const batches = readInput(files, ({ file, line, reason }) => {
    if (++summary.invalid <= TOLD) output.complain(`${file}:${line}: no event (${reason})`);
  });
  for await (const batch of batches) {
    set.evaluate(batch);
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
}

/** The rules that could be loaded; the others are told. */
async function load({ rules, dialect, matching }: MatchOptions, output: CommandOutput): Promise<LoadedRules> {
  const thresholds = { archivingPriority: "DEBUG", alertingPriority: "WARNING" };
  const loaded = await loadRules({ paths: rules, ...thresholds, dialect, falco: { matching } });
  for (const warning of loaded.warnings) output.complain(`warning: ${warning.line()}`);
  for (const error of loaded.refused) output.complain(error.line());
  if (loaded.set.size > 0) return loaded;
  throw new AuditshipError("AUDITSHIP_RULE_INVALID", `there is no rule to run in ${rules.join(", ")}.`);
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
