import { Kind, type Tape } from "../../../../src/plugin/index.js";

/** Names that an object may have, and what is below them: null for a value that is searched. */
export interface Fields {
  readonly [name: string]: Fields | null;
}

const securityContext = { runAsUser: null, runAsGroup: null, runAsNonRoot: null };

/** Where Elastic's rules and dashboards look in `requestObject` and `responseObject`; the template indexes these and no others. */
export const BODY_FIELDS: Fields = {
  spec: {
    type: null,
    serviceAccountName: null,
    restartPolicy: null,
    hostNetwork: null,
    hostIPC: null,
    hostPID: null,
    volumes: { hostPath: { path: null } },
    securityContext,
    containers: {
      image: null,
      volumeMounts: { mountPath: null },
      securityContext: {
        ...securityContext,
        privileged: null,
        allowPrivilegeEscalation: null,
        procMount: null,
        capabilities: { add: null },
      },
    },
  },
  rules: { verbs: null, resources: null, apiGroups: null },
  roleRef: { kind: null, name: null },
};

/**
 * True if no value of `fields` is an object and everything above them is one (or a list of them): else a server would refuse the
 * event, since a resource of another kind may use the same names for other things.
 */
export function fits(tape: Tape, node: number, fields: Fields): boolean {
  if (tape.kind(node) !== Kind.array) return objectFits(tape, node, fields);
  for (let item = node + 1; item < tape.next(node); item = tape.next(item)) {
    if (!objectFits(tape, item, fields)) return false;
  }
  return true;
}

function objectFits(tape: Tape, node: number, fields: Fields): boolean {
  const kind = tape.kind(node);
  if (kind === Kind.null) return true;
  if (kind !== Kind.object) return false;
  for (let child = node + 1; child < tape.next(node); child = tape.next(child)) {
    for (const name in fields) {
      if (!tape.keyIs(child, name)) continue;
      const below = fields[name];
      if (!(below === null ? isFlat(tape, child) : fits(tape, child, below))) return false;
    }
  }
  return true;
}

/** A scalar, or a list of scalars. */
function isFlat(tape: Tape, node: number): boolean {
  const kind = tape.kind(node);
  if (kind === Kind.object) return false;
  if (kind !== Kind.array) return true;
  for (let item = node + 1; item < tape.next(node); item = tape.next(item)) {
    if (tape.kind(item) === Kind.object || tape.kind(item) === Kind.array) return false;
  }
  return true;
}
