import type { Batch } from "./batch.js";
import type { EventView } from "./event.js";
import type { MessageTemplate } from "./message.js";

export type Dialect = "kubesphere" | "falco" | "sigma";
export type Action = "archived" | "alerting";

/** A rule as the rest of the program sees it: one object per rule set, not per event. */
export interface RuleMatch {
  /** Falco's `rule`, Sigma's `title`, KubeSphere's rule name. */
  readonly rule: string;
  /** KubeSphere: name of the Rule resource that holds it. */
  readonly resource?: string;
  /** `auditship` for built-in rules. */
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
  /** The message for this event, from what the view shows at this time (after `redact`: redacted). Never throws. */
  message(event: EventView): string;
  /** The same as texts and fields, if it is no more than that: then it is written without creating a string ({@link writeMessage}). */
  readonly template?: MessageTemplate;
  /** Falco: the fields that the message shows, by name; null for absent ones. As of the same time; never throws. */
  fields?(event: EventView): Readonly<Record<string, string | readonly string[] | null>>;
}

/** A compiled set of rules; `match` runs it, reload swaps it between batches. */
export interface RuleSet {
  /** Short hash of everything that decides its answers; it is in every document with matches. */
  readonly hash: string;
  readonly size: number;
  /** Looks at every row that is an event and adds its matches. */
  evaluate(batch: Batch, onError?: OnError, onTime?: OnTime): void;
}

/** Called for each rule that failed on an event. */
export type OnError = (rule: RuleMatch) => void;

/** Called with the time that a rule's own tests took on an event. For samples only: the clock costs more than most tests. */
export type OnTime = (rule: RuleMatch, milliseconds: number) => void;

/** A condition on one event (`select:`, `drop:`). */
export type Predicate = (event: EventView) => boolean;
