import type { Pairs } from "./text.js";

/** Prometheus' classic label names: Alertmanager before 0.28 refuses others, and with them the alert. */
export const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** The configuration's labels, which may have any names, with classic ones: `team.name` as `team_name`. Empty ones go. */
export function labelsForAlerts(labels: Pairs): Pairs {
  const named = Object.entries(labels).filter(([name, value]) => name !== "" && value !== "");
  return Object.fromEntries(named.map(([name, value]) => [classic(name), value]));
}

const classic = (name: string): string => name.replace(/[^a-zA-Z0-9_]/g, "_").replace(/^(?=\d)/, "_");
