/** Audit events as kube-apiserver writes them, for the tests of the rule pack: what a test does not name is an everyday value. */
export type EventParts = { [member: string]: unknown };

export function event(parts: EventParts): EventParts {
  return {
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: parts.requestObject === undefined && parts.responseObject === undefined ? "Metadata" : "RequestResponse",
    auditID: "11111111-2222-4333-a444-555555555555",
    stage: "ResponseComplete",
    requestURI: "/api/v1/namespaces/shop/pods",
    verb: "get",
    user: ALICE,
    sourceIPs: ["10.20.1.15"],
    userAgent: "kubectl/v1.34.1",
    responseStatus: { metadata: {}, code: 200 },
    requestReceivedTimestamp: "2026-01-05T08:00:00.000000Z",
    stageTimestamp: "2026-01-05T08:00:00.010000Z",
    annotations: { "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "" },
    ...parts,
  };
}

const ALICE = { username: "alice", groups: ["dev", "system:authenticated"] };
export const ANONYMOUS = { username: "system:anonymous", groups: ["system:unauthenticated"] };
export const KUBELET = { username: "system:node:worker-1", groups: ["system:nodes", "system:authenticated"] };
export const APISERVER = { username: "system:apiserver", groups: ["system:masters"] };
export const OPERATOR = {
  username: "system:serviceaccount:databases:operator",
  groups: ["system:serviceaccounts", "system:authenticated"],
};
export const controller = (name: string) => ({
  username: `system:serviceaccount:kube-system:${name}`,
  groups: ["system:serviceaccounts", "system:authenticated"],
});

/** `responseStatus` of an answer with this code; from 400 on as a failure. */
export function status(code: number, message = "no", reason = "Forbidden"): EventParts {
  return code < 400 ? { metadata: {}, code } : { metadata: {}, status: "Failure", message, reason, code };
}

/** `objectRef` of `resource` or `resource@group`. */
export function ref(kind: string, namespace?: string, name?: string, subresource?: string): EventParts {
  const [resource, apiGroup] = kind.split("@");
  return { resource, namespace, name, apiGroup, apiVersion: "v1", subresource };
}

/** A pod template's carrier for each kind of workload: where its pod spec lies. */
export const inTemplate = (spec: object) => ({ spec: { template: { spec } } });
export const inCronJob = (spec: object) => ({ spec: { jobTemplate: { spec: { template: { spec } } } } });
