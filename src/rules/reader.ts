import type { AuditshipError, Dialect, Place } from "../plugin/index.js";
import type { RuleDocument } from "./documents.js";
import type { Rule, RuleInfo } from "./rule.js";
import type { Expression } from "./tree.js";
import type { Webhook } from "./webhook.js";

/** How Falco's rules run. */
export interface FalcoOptions {
  /** Whether only the first rule that matches an event counts, or all do. */
  readonly matching: "first" | "all";
  /** Rules of a lower priority are not loaded. */
  readonly minPriority: string;
}

/**
 * How KubeSphere's `like` matches: anywhere in the text, as its engine does (`upstream`), or the whole text, as its documentation
 * says (`anchored`).
 */
export type Like = "upstream" | "anchored";

/** How Sigma's rules are read. */
export interface SigmaOptions {
  /** Rules of any other status are left out; rules without a status never are. */
  readonly status: readonly string[];
  /** The fields of an audit event that names in rules stand for. */
  readonly fields: Readonly<Record<string, readonly string[]>>;
  /** Values of placeholders (`expand`), by name. */
  readonly placeholders: Readonly<Record<string, readonly string[]>>;
}

/** The options if none are given. */
export const SIGMA_DEFAULTS: SigmaOptions = {
  status: ["stable", "test", "experimental"],
  fields: {},
  placeholders: {},
};

/** What a reader is given, and where it reports what it finds. */
export interface ReaderContext {
  /** The ranks at which archiving rules begin to archive and alerting rules to alert. A document may set them, before rules are made. */
  archivingRank: number;
  alertingRank: number;
  /** KubeSphere's Webhook resource, once it has been read. */
  webhook?: Webhook;
  /** How KubeSphere's `like` matches. */
  readonly like: Like;
  /** Audit stages that rules look at, for dialects that do not choose their own; undefined for all. */
  readonly stages: readonly string[] | undefined;
  readonly falco: FalcoOptions;
  readonly sigma: SigmaOptions;
  /** Reports a rule that was read, whether or not it runs. */
  info(info: RuleInfo): void;
  /** Reports what is left out, and why; the rest is read. */
  refuse(error: AuditshipError): void;
  warn(message: string, place: Place): void;
  /** Warns of a selector of the Webhook resource that selects nothing. */
  warnOfSelector(message: string, place: Place): void;
}

/** Reads a condition on its own. Throws AuditshipError with the place in its text. */
export type ConditionReader = (text: string) => Expression;

/** A context for reading only definitions. Throws what is wrong with them. */
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
