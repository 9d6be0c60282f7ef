import type { Pairs } from "./text.js";

/** Prometheus' classic label names: Alertmanager before 0.28 refuses others, and with them the alert. */
export const LABEL_NAME = /^[a-zA-Z_]\w*$/;

/** The configuration's labels, which may have any names, with classic ones: `team.name` as `team_name`. */
export function labelsForAlerts(labels: Pairs): Pairs {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [classic(name), value]));
}

const classic = (name: string): string => name.replace(/\W/g, "_").replace(/^(?=\d|$)/, "_");
