import type { Distribution } from "./mappings/types.js";
import { MANAGED_BY, nameOf, patternPriority, TEMPLATE_VERSION } from "./names.js";
import type { Target } from "./target.js";

/** How long what a target holds is kept: milliseconds; undefined: for ever. */
export interface Kept {
  target: Target;
  retention: number | undefined;
}

/** A lifecycle policy: ILM of Elasticsearch, ISM of OpenSearch. */
export interface Lifecycle {
  feature: "ILM" | "ISM";
  name: string;
  path: string;
  body: object;
  /** What it does, for people. */
  means: string;
}

const HOUR = 3_600_000;
/** When a data stream begins a new index: a day's events, or as much as one shard holds well. */
const ROLLOVER = { age: "1d", size: "50gb" };

/** Why nothing is to be deleted by age; undefined if something is. */
export function whyKept({ target, retention }: Kept): string | undefined {
  if (retention === undefined) return "retention: none";
  if (target.kind === "index") return "an index that holds all days cannot be deleted by age: name it by {date}";
  return undefined;
}

/** True if a policy has something to do: indices to delete by age, or a data stream to roll over. */
export const needsLifecycle = (kept: Kept): boolean => kept.target.kind === "dataStream" || whyKept(kept) === undefined;

/**
 * The policy that keeps the newest event of an index as long as configured: a day's index is a day older than its newest
 * event, one of a data stream is no older than its last rollover. Without a retention it deletes nothing.
 */
export function lifecycleOf(distribution: Distribution, { target, retention }: Kept): Lifecycle {
  const hours = retention === undefined ? undefined : Math.ceil(retention / HOUR) + (target.kind === "daily" ? 24 : 0);
  const name = nameOf(target);
  const since = target.kind === "daily" ? "creation" : "rollover";
  const means = hours === undefined ? "no index is deleted" : `indices are deleted ${hours} h after their ${since}`;
  return distribution === "opensearch"
    ? { feature: "ISM", name, path: `/_plugins/_ism/policies/${name}`, body: ismPolicy(target, hours), means }
    : { feature: "ILM", name, path: `/_ilm/policy/${name}`, body: ilmPolicy(target, hours), means };
}

function ilmPolicy({ kind }: Target, hours: number | undefined): object {
  const rollover = { rollover: { max_age: ROLLOVER.age, max_primary_shard_size: ROLLOVER.size } };
  return {
    policy: {
      phases: {
        hot: { min_age: "0ms", actions: kind === "dataStream" ? rollover : {} },
        ...(hours !== undefined && { delete: { min_age: `${hours}h`, actions: { delete: {} } } }),
      },
      _meta: { managed_by: MANAGED_BY, version: TEMPLATE_VERSION },
    },
  };
}

/** It finds its indices by pattern (of a data stream by its name), and has no `_meta`: the description is the mark. */
function ismPolicy(target: Target, hours: number | undefined): object {
  const rolls = target.kind === "dataStream";
  const rollover = { rollover: { min_index_age: ROLLOVER.age, min_primary_shard_size: ROLLOVER.size } };
  const kept = { name: "kept", actions: rolls ? [rollover] : [] };
  const does = hours === undefined ? "delete nothing" : `delete after ${hours} hours`;
  return {
    policy: {
      description: `${MANAGED_BY}: ${does} (version ${TEMPLATE_VERSION})`,
      default_state: "kept",
      states:
        hours === undefined
          ? [{ ...kept, transitions: [] }]
          : [{ ...kept, transitions: [deletion(rolls, hours)] }, DELETED],
      ism_template: [{ index_patterns: [target.pattern], priority: patternPriority(target) }],
    },
  };
}

const DELETED = { name: "deleted", actions: [{ delete: {} }], transitions: [] };

const deletion = (rolls: boolean, hours: number): object => ({
  state_name: DELETED.name,
  conditions: rolls ? { min_rollover_age: `${hours}h` } : { min_index_age: `${hours}h` },
});
