import type { EventView, RuleMatch } from "../../../src/plugin/index.js";
import type { Pairs } from "./text.js";

/** What is the same for all alerts of a sink. */
export interface AlertContext {
  readonly cluster: string;
  readonly node: string;
  /** Of the configuration; they give way to an alert's own. */
  readonly labels: Pairs;
  /** URL of what to do about an alert, with `{rule}` in it; a rule's own comes first. */
  readonly runbook?: string;
}

/** How a match looks as an alert. Texts are what `redact` left of them, and their lengths are bounded. */
export interface Rendering {
  /** Matches with equal labels are one alert. */
  labels(event: EventView, match: RuleMatch): Pairs;
  /** Labels of the one alert of a rule for what a full table has no place for. */
  overflow(event: EventView, match: RuleMatch): Pairs;
  /** What happened, from the event that begins the alert. */
  annotations(event: EventView, match: RuleMatch): Pairs;
}
