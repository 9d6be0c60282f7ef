import type { Batch } from "./batch.js";
import type { EventView } from "./event.js";
import type { MessageTemplate } from "./message.js";

export type Dialect = "kubesphere" | "falco" | "sigma";
export type Action = "archived" | "alerting";

/** A rule as everybody else sees it, once per rule set, not per event. */
export interface RuleMatch {
  /** Falco's `rule`, Sigma's `title`, KubeSphere's rule name. */
  readonly rule: string;
  /** KubeSphere: name of the Rule resource it stands in. */
  readonly resource?: string;
  /** `auditship` for what is built in. */
  readonly dialect: Dialect | "auditship";
  /** As the ecosystem spells it. */
  readonly priority: string;
  /** One order over all ecosystems: 0 DEBUG … 6 Emergency. */
  readonly rank: number;
  readonly actions: readonly Action[];
  readonly tags: readonly string[];
  readonly description?: string;
  /** Further facts that go with every alert (Sigma: id, author, references). */
  readonly facts: Readonly<Record<string, string>>;
  /** The message for this event, from what the view shows now (after `redact`: redacted). Never throws. */
  message(event: EventView): string;
  /** The same, if it is no more than texts and fields: so it is written without a string being made ({@link writeMessage}). */
  readonly template?: MessageTemplate;
  /** Falco: the fields that the message shows, by name; null for absent ones. Of the same moment; never throws. */
  fields?(event: EventView): Readonly<Record<string, string | readonly string[] | null>>;
}

/** A compiled set of rules; `match` runs it, reload swaps it between batches. */
export interface RuleSet {
  /** Short hash of everything that decides its answers; stands in every document with matches. */
  readonly hash: string;
  readonly size: number;
  /** Looks at every row that is an event and adds its matches. */
  evaluate(batch: Batch, onError?: OnError, onTime?: OnTime): void;
}

/** Hears of each rule that failed on an event. */
export type OnError = (rule: RuleMatch) => void;

/** Hears what a rule's own tests took on an event. To be asked for now and then: the clock costs more than most tests. */
export type OnTime = (rule: RuleMatch, milliseconds: number) => void;

/** A condition on one event (`select:`, `drop:`). */
export type Predicate = (event: EventView) => boolean;
