import type { RulesConfig } from "../config/schema.js";
import type { Logger, Meter, RuleSet } from "../plugin/index.js";
import { loadRules, type Webhook } from "../rules/index.js";
import type { LiveRules, RulesRead } from "./live-rules.js";

/** Most refused rules, and most warnings, that are logged of one load: Falco's and Sigma's own rules together warn 49 times. */
const MOST_LOGGED = 50;

/** The rules in force. A reload swaps the whole set between two batches, or leaves the old one. */
export class RulesInForce {
  readonly #log: Logger;
  readonly #meter: Meter;
  #live: LiveRules | undefined;
  #loaded: RulesRead | undefined;
  /** Lines logged or counted since files were last read, so that a change in the cluster logs only what is new. */
  readonly #said = new Set<string>();
  #webhook = "";

  constructor(log: Logger, meter: Meter) {
    this.#log = log;
    this.#meter = meter;
  }

  /** The set to use from the next batch on. */
  get set(): RuleSet {
    return this.loaded.set;
  }

  /** Undefined before {@link start} has loaded them. */
  get known(): RulesRead | undefined {
    return this.#loaded;
  }

  /** Throws before {@link start} has loaded them. */
  get loaded(): RulesRead {
    if (!this.#loaded) throw new Error("rules are asked for before they are loaded");
    return this.#loaded;
  }

  /**
   * Loads the rules at start: bad ones are refused and named, the others run.
   * @param live what is watched in addition to the files, if anything
   */
  async start(config: RulesConfig, live: LiveRules | undefined): Promise<void> {
    this.#live = live;
    const read = await this.#read(config);
    this.#report(read);
    if (config.paths.length > 0 && read.rules.length === 0) {
      this.#log.warn({ paths: config.paths }, "There is no rule in rules.paths: nothing is matched.");
    }
    this.#use(read);
  }

  /**
   * Reads them again; nothing changes before {@link reload}. Undefined, so that the old set stays, if a rule in a file is refused or none
   * is left: a directory that is being replaced is empty for a moment, and nobody would be alerted. Errors in watched resources do not
   * matter here: see {@link LiveRules.load}.
   */
  async read(config: RulesConfig): Promise<RulesRead | undefined> {
    this.#said.clear();
    const read = await this.#read(config);
    this.#report(read);
    const watched = new Set(read.verdicts.map(({ resource }) => resource.name));
    const refused = read.refused.filter(({ place: { file = "" } }) => !watched.has(file));
    if (refused.length > 0) {
      this.#log.error({ refused: refused.length }, "The rules have errors; those in force before stay.");
    } else if (config.paths.length > 0 && read.rules.length === 0 && this.loaded.running.length > 0) {
      this.#log.error(
        { paths: config.paths },
        "There is no rule left; those in force before stay. To run none, leave rules.paths out, or restart.",
      );
    } else return read;
    this.#meter.add("auditship_reloads_total", 1, "rules", "refused");
    return undefined;
  }

  /** Loads the watched resources as they are now, with the files in force. Nothing changes before {@link reload}. */
  async readLive(live: LiveRules, config: RulesConfig): Promise<RulesRead> {
    const read = await live.load({ ...config, files: this.loaded.files });
    this.#report(read);
    return read;
  }

  /** Puts what was read in force. */
  reload(read: RulesRead): void {
    const changed = read.set.hash !== this.set.hash;
    this.#use(read);
    this.#meter.add("auditship_reloads_total", 1, "rules", "ok");
    if (changed) this.#log.info({ rules: read.set.size, set: read.set.hash }, "New rules are in force.");
  }

  async #read(config: RulesConfig): Promise<RulesRead> {
    if (this.#live) return this.#live.load(config);
    const loaded = await loadRules(config);
    // Only changes of watched resources need them again.
    return { ...loaded, files: { documents: [], errors: [] }, verdicts: [] };
  }

  #use(read: RulesRead): void {
    const before = this.#loaded?.running ?? [];
    this.#loaded = read;
    this.#live?.accept(read.verdicts);
    const perDialect = new Map<string, number>(before.map(({ info }) => [info.dialect, 0]));
    for (const { info } of read.running) perDialect.set(info.dialect, (perDialect.get(info.dialect) ?? 0) + 1);
    for (const [dialect, count] of perDialect) this.#meter.set("auditship_rules", count, dialect);
    this.#meter.set("auditship_selectors_unmatched", read.selectors.length);
    this.#tellOf(read.webhook);
  }

  /** Says what counts now, when that has changed. */
  #tellOf(webhook: Webhook | undefined): void {
    if (webhook === undefined) return;
    const { auditLevel, k8sAuditingEnabled, receivers, unused } = webhook;
    const counts = { auditLevel, k8sAuditingEnabled, receivers: receivers.map(({ name }) => name), unused };
    if (JSON.stringify(counts) === this.#webhook) return;
    this.#webhook = JSON.stringify(counts);
    const rest = unused.length > 0 ? " What it says of KubeSphere's own pods is not used." : "";
    this.#log.info(counts, `KubeSphere's Webhook resource is in force.${rest}`);
  }

  #report({ refused, warnings }: RulesRead): void {
    this.#meter.set("auditship_rules_refused", refused.length);
    const errors = refused.filter((error) => this.#isNew(error.line()));
    const oddities = warnings.filter((warning) => this.#isNew(warning.line()));
    for (const error of errors.slice(0, MOST_LOGGED)) {
      this.#log.error({ code: error.code }, `Rule refused: ${error.line()}`);
    }
    for (const oddity of oddities.slice(0, MOST_LOGGED)) this.#log.warn({}, oddity.line());
    this.#countMore(errors.length - MOST_LOGGED, oddities.length - MOST_LOGGED);
    // What is fixed and broken again is logged again.
    const now = new Set([...refused, ...warnings].map((each) => each.line()));
    for (const line of this.#said) if (!now.has(line)) this.#said.delete(line);
  }

  #countMore(refused: number, warnings: number): void {
    if (refused <= 0 && warnings <= 0) return;
    this.#log.warn(
      { refused: Math.max(refused, 0), warnings: Math.max(warnings, 0) },
      "There are more errors or warnings than are logged of one load; `auditship check` shows all of those in files.",
    );
  }

  #isNew(line: string): boolean {
    const isNew = !this.#said.has(line);
    this.#said.add(line);
    return isNew;
  }
}
