import type { RulesConfig } from "../config/schema.js";
import { AuditshipError, type Dialect } from "../plugin/index.js";
import { type LoadedRules, loadRules } from "../rules/index.js";
import type { CommandOutput } from "./output.js";

/** Which rules a command runs, and how. */
export interface RuleChoice {
  /** Files or directories, loaded in this order. */
  rules: readonly string[];
  /** Load only this dialect's rules. */
  dialect?: Dialect;
  /** Falco's rules: the first that matches, or all; the first if it is left out. */
  matching?: "first" | "all";
  /** How KubeSphere's `like` is read; `upstream` if it is left out. */
  like?: "upstream" | "anchored";
}

/**
 * The rules that could be loaded; the others are told. They look at every audit stage.
 * @throws AuditshipError AUDITSHIP_RULE_INVALID if there is none
 */
export async function loadForCommand(choice: RuleChoice, output: CommandOutput): Promise<LoadedRules> {
  const { rules, dialect, matching, like } = choice;
  const thresholds = { archivingPriority: "DEBUG", alertingPriority: "WARNING" };
  return told(await loadRules({ paths: rules, ...thresholds, dialect, like, falco: { matching } }), rules, output);
}

/** The rules of a configuration, as an agent loads them. Otherwise as {@link loadForCommand}. */
export async function loadConfigured(config: RulesConfig, output: CommandOutput): Promise<LoadedRules> {
  return told(await loadRules(config), config.paths, output);
}

function told(loaded: LoadedRules, paths: readonly string[], output: CommandOutput): LoadedRules {
  for (const warning of loaded.warnings) output.complain(`warning: ${warning.line()}`);
  for (const error of loaded.refused) output.complain(error.line());
  if (loaded.set.size > 0) return loaded;
  throw new AuditshipError("AUDITSHIP_RULE_INVALID", `there is no rule to run in ${paths.join(", ")}.`);
}
