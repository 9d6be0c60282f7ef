/** What rules may require of Falco 0.44.1. */
const ENGINE: Version = [0, 62, 0];
const K8SAUDIT: Version = [0, 18, 0];
/** The flavours of k8saudit give the same fields, whatever way their events come. */
const PLUGINS = new Map<string, Version>([
  ["k8saudit", K8SAUDIT],
  ["k8saudit-aks", K8SAUDIT],
  ["k8saudit-eks", K8SAUDIT],
  ["k8saudit-gke", K8SAUDIT],
  ["k8saudit-ovh", K8SAUDIT],
  ["json", [0, 7, 4]],
]);

type Version = readonly [major: number, minor: number, patch: number];

export interface PluginRequirement {
  readonly name: string;
  readonly version: string;
}

/** Three numbers and anything behind them; undefined for anything else. */
export function parseVersion(text: string): Version | undefined {
  const found = /^\s*\+?(\d+)\.\+?(\d+)\.\+?(\d+)/.exec(text);
  return found ? [Number(found[1]), Number(found[2]), Number(found[3])] : undefined;
}

export function engineVersion(): string {
  return ENGINE.join(".");
}

export function engineSatisfies(required: Version): boolean {
  return satisfies(ENGINE, required);
}

/** Whether what is there in the place of one of some plugins is recent enough. */
export function pluginsSatisfy(alternatives: readonly PluginRequirement[]): boolean {
  return alternatives.some(({ name, version }) => {
    const present = PLUGINS.get(name);
    const required = parseVersion(version);
    return present !== undefined && required !== undefined && satisfies(present, required);
  });
}

/** The same major version, and not older. */
function satisfies(present: Version, required: Version): boolean {
  const [major, minor, patch] = required;
  if (present[0] !== major) return false;
  return present[1] !== minor ? present[1] > minor : present[2] >= patch;
}
