import { AuditshipError, Flag, type RuleMatch } from "../plugin/index.js";
import { describeMatch, nearestPriority, rankOf } from "../rules/index.js";
import { readInput } from "./input.js";
import { inputFiles } from "./input-files.js";
import { InvalidLines } from "./invalid-lines.js";
import { loadForCommand, type RuleChoice } from "./load-rules.js";
import type { CommandOutput } from "./output.js";

export interface MatchOptions extends RuleChoice {
  /** Counts instead of matches. */
  summary?: boolean;
  /** A priority, of any ecosystem: matches at or above it are found out about. */
  failOn?: string;
  /** Show what would leave: the profile of `createRedaction`. */
  redact?: string;
}

/**
 * Runs rules over files: one JSON line per match, in the order of events, then of definition. Rules look at every audit stage.
 * False if something matched at or above `failOn`.
 * @throws AuditshipError AUDITSHIP_INPUT, AUDITSHIP_USAGE, or AUDITSHIP_RULE_INVALID if no rule could be loaded
 */
export async function matchFiles(
  files: readonly string[],
  options: MatchOptions,
  output: CommandOutput,
): Promise<boolean> {
  const limit = options.failOn === undefined ? Number.POSITIVE_INFINITY : failingRank(options.failOn);
  const redaction =
    options.redact === undefined ? undefined : await (await import("./redaction.js")).createRedaction(options.redact);
  const { set } = await loadForCommand(options, output);
  const summary = new Summary();
  const invalid = new InvalidLines(output);
  for await (const batch of readInput(await inputFiles(files), invalid.add)) {
    set.evaluate(batch);
    await redaction?.run(batch);
    summary.bytes += batch.length;
    for (let row = 0; row < batch.count; row++) {
      if ((batch.flags(row) & Flag.invalid) !== 0) continue;
      const n = ++summary.events;
      for (const match of batch.matches(row)) {
        summary.count(match);
        if (!options.summary) output.print(`${JSON.stringify(describeMatch(match, batch.at(row), n))}\n`);
      }
    }
    if (summary.isDue()) output.progress(summary.progress());
    await output.drained();
  }
  output.progress("");
  invalid.end();
  if (options.summary) output.print(summary.text(invalid.count));
  return summary.highest < limit;
}

function failingRank(priority: string): number {
  const rank = rankOf(priority);
  if (rank !== undefined) return rank;
  const suggestion = nearestPriority(priority);
  const hint = suggestion ? `; did you mean ${suggestion}?` : "; take DEBUG, INFO, WARNING, Error, Critical …";
  throw new AuditshipError("AUDITSHIP_USAGE", `--fail-on ${priority} is no priority${hint}`);
}

/** Milliseconds between two lines of progress. */
const PROGRESS = 250;

/** How often each rule matched, in how much. */
class Summary {
  events = 0;
  bytes = 0;
  /** The highest rank that matched. */
  highest = Number.NEGATIVE_INFINITY;
  readonly #started = performance.now();
  #shown = this.#started;
  #matches = 0;
  readonly #byRule = new Map<RuleMatch, number>();

  count(match: RuleMatch): void {
    this.#matches++;
    this.highest = Math.max(this.highest, match.rank);
    this.#byRule.set(match, (this.#byRule.get(match) ?? 0) + 1);
  }

  get #seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  isDue(): boolean {
    const now = performance.now();
    if (now - this.#shown < PROGRESS) return false;
    this.#shown = now;
    return true;
  }

  progress(): string {
    const megabytes = this.bytes / 1e6;
    return `${this.events} events, ${this.#matches} matches, ${megabytes.toFixed(0)} MB, ${(megabytes / this.#seconds).toFixed(0)} MB/s`;
  }

  /** A table, the most frequent first. */
  text(invalid: number): string {
    const rows = [...this.#byRule].sort(([, a], [, b]) => b - a);
    const width = Math.max(4, ...rows.map(([{ rule }]) => rule.length));
    const lines = rows.map(
      ([{ rule, dialect, priority }, count]) =>
        `${String(count).padStart(9)}  ${rule.padEnd(width)}  ${priority.padEnd(13)}  ${dialect}`,
    );
    const totals = `${this.events} events, ${invalid} invalid lines, ${this.#matches} matches of ${rows.length} rules, ${this.#seconds.toFixed(2)} s`;
    return `${["  matches  rule", ...lines, totals].join("\n")}\n`;
  }
}
