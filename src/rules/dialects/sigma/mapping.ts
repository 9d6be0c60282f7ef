import { FIELD_PATHS, fieldOfPath } from "../../../plugin/index.js";
import { nearest } from "../../../plugin/nearest.js";
import type { ValuesSource } from "../../tree.js";

/** Where a value lies in an event. */
export type Location = Pick<ValuesSource, "root" | "names">;

const POD_SPECS = [
  "requestObject.spec",
  "requestObject.spec.template.spec",
  "requestObject.spec.jobTemplate.spec.template.spec",
];
const CONTAINERS = ["containers", "initContainers", "ephemeralContainers"];

/** Names that rules use but no audit event has, and where an event has the value that they mean. `rules.sigma.fields` adds to them. */
export const FIELDS: Readonly<Record<string, readonly string[]>> = {
  apiGroup: ["objectRef.apiGroup"],
  capabilities: POD_SPECS.flatMap((spec) => CONTAINERS.map((name) => `${spec}.${name}.securityContext.capabilities`)),
  hostPath: POD_SPECS.map((spec) => `${spec}.volumes.hostPath.path`),
};

const DECISION = "annotations.authorization.k8s.io/decision";

/** Values (in lower case) that a field never has, and the field and value that mean the same. */
const VALUES: Readonly<Record<string, Readonly<Record<string, { field: string; value: string }>>>> = {
  "responseStatus.code": {
    allow: { field: DECISION, value: "allow" },
    forbid: { field: DECISION, value: "forbid" },
  },
};

/** Names of more parts than this are refused. */
const MAX_NAMES = 64;

/** The meaning of the names in rules. */
export class Mapping {
  private readonly fields: ReadonlyMap<string, readonly string[]>;

  /** @param own names and where their values lie; they take precedence over the built-in ones */
  constructor(own: Readonly<Record<string, readonly string[]>>) {
    this.fields = new Map([...Object.entries(FIELDS), ...Object.entries(own)]);
  }

  /** Where the values of a field lie; undefined for a name of too many parts. */
  locations(name: string): Location[] | undefined {
    const paths = this.fields.get(name) ?? [name];
    const found = paths.map(locate);
    return found.some(({ names }) => names.length > MAX_NAMES) ? undefined : found;
  }

  /** The field and value to ask for instead of these, if there are any. */
  replacement(name: string, value: string): { field: string; value: string } | undefined {
    const values = this.fields.has(name) ? undefined : VALUES[canonical(name)];
    return values !== undefined && Object.hasOwn(values, value) ? values[value] : undefined;
  }

  /** A warning about a name that no audit event has; undefined if the name is fine. */
  problem(name: string): string | undefined {
    const paths = this.fields.get(name) ?? [name];
    if (paths.some(isKnown)) return undefined;
    const head = name.split(".").slice(0, 2).join(".");
    const suggestion = nearest(name, this.names()) ?? nearest(head, FIELD_PATHS);
    return `no audit event has the field ${name}${suggestion ? `; did you mean ${suggestion}?` : "."}`;
  }

  private names(): string[] {
    return [...this.fields.keys(), ...FIELD_PATHS];
  }
}

function canonical(name: string): string {
  const field = fieldOfPath(name);
  return field === undefined ? "" : FIELD_PATHS[field];
}

/** Names of the envelope count in any case, names below it exactly. */
function locate(path: string): Location {
  const [first, second, ...rest] = path.split(".");
  if (path.toLowerCase() === WORKSPACE) return { root: WORKSPACE, names: [] };
  if (second === undefined) return { root: fieldOfPath(first) ?? first, names: [] };
  const pair = fieldOfPath(`${first}.${second}`);
  return pair === undefined
    ? { root: fieldOfPath(first) ?? first, names: [second, ...rest] }
    : { root: pair, names: rest };
}

/** A location as a rule could write it. */
export function pathOf({ root, names }: Location): string {
  return [typeof root === "string" ? root : FIELD_PATHS[root], ...names].join(".");
}

/** The name under which the stage `workspace` adds what it found. */
const WORKSPACE = "workspace";

/** Objects of the envelope whose members are all in the field table. */
const CLOSED = new Set(
  FIELD_PATHS.filter((path) => FIELD_PATHS.some((other) => other.startsWith(`${path}.`))).map((path) =>
    path.toLowerCase(),
  ),
);

function isKnown(path: string): boolean {
  const { root, names } = locate(path);
  if (root === WORKSPACE) return true;
  return typeof root !== "string" && (names.length === 0 || !CLOSED.has(FIELD_PATHS[root].toLowerCase()));
}
