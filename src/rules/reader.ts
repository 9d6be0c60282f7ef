import type { AuditshipError, Dialect, Place } from "../plugin/index.js";
import type { RuleDocument } from "./documents.js";
import type { Rule, RuleInfo } from "./rule.js";
import type { Expression } from "./tree.js";
import type { Webhook } from "./webhook.js";

/** How Falco's rules run. */
export interface FalcoOptions {
  /** Of its rules that match an event, only the first counts, or all do. */
  readonly matching: "first" | "all";
  /** Rules of a priority below it are not loaded. */
  readonly minPriority: string;
}

/**
 * KubeSphere's `like`: found anywhere in the text, as upstream's engine has it, or the whole text is like the pattern, as
 * its documentation says.
 */
export type Like = "upstream" | "anchored";

/** How Sigma's rules are read. */
export interface SigmaOptions {
  /** Rules of another status are left out; one that has none never is. */
  readonly status: readonly string[];
  /** Where the fields lie that rules call by names of their own. */
  readonly fields: Readonly<Record<string, readonly string[]>>;
  /** Values of placeholders (`expand`), by name. */
  readonly placeholders: Readonly<Record<string, readonly string[]>>;
}

/** What is read if nothing else is said. */
export const SIGMA_DEFAULTS: SigmaOptions = {
  status: ["stable", "test", "experimental"],
  fields: {},
  placeholders: {},
};

/** What a reader is told, and tells. */
export interface ReaderContext {
  /** Ranks from which archiving rules archive and alerting rules alert. What is read may set them, before rules are made. */
  archivingRank: number;
  alertingRank: number;
  /** KubeSphere's Webhook resource, if one is read. */
  webhook?: Webhook;
  /** How KubeSphere's `like` is read. */
  readonly like: Like;
  /** Audit stages that rules look at, where the dialect does not choose its own; undefined for all. */
  readonly stages: readonly string[] | undefined;
  readonly falco: FalcoOptions;
  readonly sigma: SigmaOptions;
  /** A rule that was read, whether it runs or not. */
  info(info: RuleInfo): void;
  /** What is left out, and why; the rest is read. */
  refuse(error: AuditshipError): void;
  warn(message: string, place: Place): void;
  /** Warns of a selector of the Webhook resource that selects nothing. */
  warnOfSelector(message: string, place: Place): void;
}

/** Reads a condition that stands for itself. Throws AuditshipError with the place in its text. */
export type ConditionReader = (text: string) => Expression;

/** For a reader whose definitions are all that is wanted. Throws what is wrong with them. */
export function definitionsOnly(): ReaderContext {
  return {
    archivingRank: 0,
    alertingRank: 0,
    like: "upstream",
    stages: undefined,
    falco: { matching: "first", minPriority: "Debug" },
    sigma: SIGMA_DEFAULTS,
    info: () => {},
    warn: () => {},
    warnOfSelector: () => {},
    refuse: (error) => {
      throw error;
    },
  };
}

/** Reads one dialect's documents. All are read before the first rule is made, so that they may refer to each other. */
export interface Reader {
  readonly dialect: Dialect;
  accepts(document: RuleDocument): boolean;
  read(document: RuleDocument): void;
  /** The rules that run, in order of definition. */
  rules(): Rule[];
}
