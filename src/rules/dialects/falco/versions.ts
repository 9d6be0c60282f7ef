/** The engine version of Falco 0.44.1, which rules may require. */
const ENGINE: Version = [0, 62, 0];
const K8SAUDIT: Version = [0, 18, 0];
/** The flavours of k8saudit provide the same fields, however their events arrive. */
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

/** A version of three numbers, whatever follows them; undefined for anything else. */
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

/** Whether at least one of the plugins is present in a recent enough version. */
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
