import type { Action, Dialect, Place, RuleMatch } from "../plugin/index.js";
import type { Expression, Path } from "./tree.js";

/** A rule as lists and checks show it. */
export interface RuleInfo {
  readonly name: string;
  /** KubeSphere: the Rule resource that defines it. */
  readonly resource?: string;
  readonly dialect: Dialect;
  /** As the ecosystem spells it. */
  readonly priority: string;
  readonly rank: number;
  /** Empty for a rule that does nothing under the current thresholds. */
  readonly actions: readonly Action[];
  readonly description?: string;
  readonly enabled: boolean;
  /** KubeSphere: the label `workspace`, which is only shown; it does not restrict the rule. */
  readonly workspace?: string;
  readonly place: Place;
}

/** A rule that runs: what every reader makes of its dialect. */
export interface Rule {
  readonly info: RuleInfo;
  readonly condition: Expression;
  readonly match: RuleMatch;
  /** Its message as written. Answers depend on it too. */
  readonly output: string;
  /** The values that its message shows. */
  readonly paths: readonly Path[];
  /** Audit stages that it looks at; undefined for all. */
  readonly stages?: readonly string[];
  /** Of all exclusive rules that match an event, only the first counts. */
  readonly exclusive?: boolean;
}
