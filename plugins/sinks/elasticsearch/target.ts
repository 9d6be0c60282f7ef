import { AuditshipError } from "../../../src/plugin/index.js";
import type { ShapeName } from "./mappings.js";

/** Where events go: an index per UTC day of the event, one index for all, or a data stream. */
export interface Target {
  readonly kind: "daily" | "index" | "dataStream";
  /** With `{date}` in it if it is one per day; the cluster is filled in. */
  readonly name: string;
  /** What the names of its indices are like: `audit-*`. */
  readonly pattern: string;
}

/** Where the readers of each shape look. */
const DEFAULT_INDEX: Record<ShapeName, string> = {
  native: "audit-{date}",
  kubesphere: "ks-logstash-auditing-{date}",
  ecs: "logs-kubernetes.audit_logs-{date}",
};
const DATE = "{date}";

/** What the configuration says of the target. */
export interface TargetOptions {
  index?: string;
  dataStream?: string;
  routing?: string;
  shape: ShapeName;
}

/** What it means. Throws AUDITSHIP_CONFIG_VALUE. */
export function targetOf({ index, dataStream, routing, shape }: TargetOptions, cluster: string): Target {
  if (dataStream !== undefined) {
    if (index !== undefined) throw wrong("index and dataStream exclude each other: leave one of them out.");
    if (routing !== undefined) throw wrong("routing goes with an index: data streams take none.");
    const name = fill("dataStream", dataStream, cluster);
    if (name.includes(DATE)) throw wrong(`dataStream ${name}: a data stream holds all days; leave {date} out.`);
    return { kind: "dataStream", name, pattern: name };
  }
  const name = fill("index", index ?? DEFAULT_INDEX[shape], cluster);
  return { kind: name.includes(DATE) ? "daily" : "index", name, pattern: name.replace(DATE, "*") };
}

/** The index of an event of this day (`YYYY.MM.DD`). */
export const indexOf = ({ name }: Target, day: string): string => name.replace(DATE, day);

/** The configured name with the cluster filled in; `{date}` stays. */
function fill(key: string, name: string, cluster: string): string {
  if (name.includes("{cluster}") && cluster === "") throw wrong(`${key} ${name} needs a cluster's name: set cluster.`);
  const filled = name.replaceAll("{cluster}", cluster.toLowerCase());
  // Elasticsearch's rules for names, and no variable but one {date}.
  if (/^(?=[^{}]*(\{date\})?[^{}]*$)[a-z0-9.{][a-z0-9._{}-]{0,200}$/.test(filled) && !/^\.{1,2}$/.test(filled)) {
    return filled;
  }
  throw wrong(`${key} ${filled} is no name: lower-case letters, digits, ".", "-" and "_", with {date} at most once.`);
}

const wrong = (message: string) => new AuditshipError("AUDITSHIP_CONFIG_VALUE", message);
