import type { LoadedConfig } from "../config/load.js";
import type { Config } from "../config/schema.js";

/** The configuration of a reload, with what stays as it was until a restart. */
export function untilRestart(given: Config, before: Config): Config {
  const { watch, namespaces } = before.rules;
  return { ...given, ...fixed(before), rules: { ...given.rules, watch, namespaces } };
}

/** Keys whose values have changed but take effect only after a restart. */
export function changedUntilRestart(before: LoadedConfig, now: LoadedConfig): string[] {
  const needs = ({ sources, config }: LoadedConfig): Record<string, unknown> => ({
    sources,
    ...fixed(config),
    "rules.watch": config.rules.watch,
    "rules.namespaces": config.rules.namespaces,
    kubernetes: config.kubernetes,
    "observe.listen": config.observe.listen,
    "observe.log": config.observe.log,
  });
  const [was, is] = [needs(before), needs(now)];
  return Object.keys(was).filter((key) => !isSame(was[key], is[key]));
}

/** Compares parts of two configurations; a plugin is its name. */
export function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function fixed({ state, cluster, node, labels, memory, maxLine }: Config) {
  return { state, cluster, node, labels, memory, maxLine };
}
