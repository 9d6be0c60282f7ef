import type { RulesConfig } from "../config/schema.js";
import type { Logger, Meter, RuleSet } from "../plugin/index.js";
import { type LoadedRules, loadRules } from "../rules/index.js";

/** The rules in force. A reload swaps the whole set between two batches, or leaves the old one. DESIGN §5. */
export class RulesInForce {
  readonly #log: Logger;
  readonly #meter: Meter;
  #loaded: LoadedRules | undefined;

  constructor(log: Logger, meter: Meter) {
    this.#log = log;
    this.#meter = meter;
  }

  /** The set to use from the next batch on. */
  get set(): RuleSet {
    return this.loaded.set;
  }

  get loaded(): LoadedRules {
    if (!this.#loaded) throw new Error("rules are asked for before they are loaded");
    return this.#loaded;
  }

  /** Loads the rules at start: bad ones are refused and named, the others run. */
  async start(config: RulesConfig): Promise<void> {
    const loaded = await loadRules(config);
    this.#report(loaded);
    this.#use(loaded);
  }

  /** Reads them anew. Nothing changes before {@link reload}; undefined if any of them is refused, so that the old set stays. */
  async read(config: RulesConfig): Promise<LoadedRules | undefined> {
    const loaded = await loadRules(config);
    this.#report(loaded);
    if (loaded.refused.length === 0) return loaded;
    this.#meter.add("auditship_reloads_total", 1, "rules", "refused");
    this.#log.error({ refused: loaded.refused.length }, "The rules have errors; those in force before stay.");
    return undefined;
  }

  /** Puts what was read in force. */
  reload(loaded: LoadedRules): void {
    const changed = loaded.set.hash !== this.set.hash;
    this.#use(loaded);
    this.#meter.add("auditship_reloads_total", 1, "rules", "ok");
    if (changed) this.#log.info({ rules: loaded.set.size, set: loaded.set.hash }, "New rules are in force.");
  }

  #use(loaded: LoadedRules): void {
    this.#loaded = loaded;
    const perDialect = new Map<string, number>();
    for (const { dialect } of loaded.rules) perDialect.set(dialect, (perDialect.get(dialect) ?? 0) + 1);
    for (const [dialect, count] of perDialect) this.#meter.set("auditship_rules", count, dialect);
  }

  #report({ refused, warnings }: LoadedRules): void {
    this.#meter.set("auditship_rules_refused", refused.length);
    for (const error of refused) this.#log.error({ code: error.code }, `Rule refused: ${error.line()}`);
    for (const warning of warnings) this.#log.warn({}, warning.line());
  }
}
