import type { EventView, RuleMatch } from "../../../src/plugin/index.js";
import type { Pairs } from "./text.js";

/** What is the same for all alerts of a sink. */
export interface AlertContext {
  readonly cluster: string;
  readonly node: string;
  /** Of the configuration, with names that any Alertmanager takes; they give way to an alert's own. */
  readonly labels: Pairs;
  /** URL of what to do about an alert, with `{rule}` in it; a rule's own comes first. */
  readonly runbook?: string;
}

/** What an alert stands for by now. */
export interface Summary {
  readonly labels: Pairs;
  /** Requests, not events. */
  readonly count: number;
  readonly firstAuditID: string;
  readonly lastAuditID: string;
  /** Event times, epoch milliseconds. */
  readonly firstTime: number;
  readonly lastTime: number;
}

/** How a match looks as an alert. Texts are what `redact` left of them, and their lengths are bounded. */
export interface Rendering {
  /** Names of the labels that it fills: the configuration's must be others. */
  readonly names: readonly string[];
  /** Matches with equal labels are one alert. */
  labels(event: EventView, match: RuleMatch): Pairs;
  /** Labels of the one alert of a rule for what a full table has no place for. */
  overflow(event: EventView, match: RuleMatch): Pairs;
  /**
   * Texts of the event that alone decide, with the rule, what its labels are: so that labels need not be made of each match of
   * a storm.
   */
  identity(event: EventView): string;
  /** What happened, from the event that begins the alert. */
  annotations(event: EventView, match: RuleMatch): Pairs;
  /** Annotations that change with each match. */
  summary(summary: Summary): Pairs;
}

/** In a label of an alert that stands for what the table had no place for. */
export const OVERFLOW = { overflow: "true" };
