import type { Target } from "./target.js";

/** Raised when the mappings, the settings or a policy change, so that `setup` knows its own older ones. */
export const TEMPLATE_VERSION = 1;

/** By this `setup` knows what it made. */
export const MANAGED_BY = "auditship";

/** The name of a target's template and policy: `auditship-audit-daily` for `audit-{date}`. */
export const nameOf = ({ name }: Target): string => `auditship-${name.replace("{date}", "daily")}`;

/**
 * Above the 100 of the servers' own templates, and the higher the more a pattern says: of two that fit (`audit-*`,
 * `audit-prod-*`) the closer one counts, and servers refuse equal ones.
 */
export const patternPriority = ({ pattern }: Target): number => 200 + pattern.length;
