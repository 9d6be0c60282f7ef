import { BODY_FIELDS, type Fields } from "../shapes/body-fields.js";
import { auditship } from "./auditship.js";
import { date, envelope, keyword, text } from "./types.js";

const ip = { type: "ip", ignore_malformed: true };

/** Annotations that kube-apiserver writes itself, and those of rules. */
const ANNOTATIONS = [
  "authorization_k8s_io/decision",
  "authorization_k8s_io/reason",
  "authentication_kubernetes_io/issued-credential-id",
  "pod-security_kubernetes_io/enforce-policy",
  "pod-security_kubernetes_io/audit-violations",
  "validation_policy_admission_k8s_io/validation_failure",
];

/** What authenticators add to a user, as rules ask for it. */
const EXTRA = {
  "authentication.kubernetes.io/credential-id": keyword,
  "authentication.kubernetes.io/node-name": keyword,
  "authentication.kubernetes.io/pod-name": keyword,
  "authentication.kubernetes.io/pod-uid": keyword,
  arn: keyword,
  oid: keyword,
  principalId: keyword,
};

/**
 * The fields of a document in shape `ecs`: those of the schema, and of `kubernetes.audit` those that Elastic's rules ask for. A
 * rule asks with wildcards, which a `flattened` field cannot answer, so the fields of bodies are named one by one.
 */
export function ecs(body: object): object {
  return {
    dynamic: false,
    date_detection: false,
    properties: {
      "@timestamp": { type: "date" },
      ecs: envelope({ version: keyword }),
      data_stream: envelope({ type: keyword, dataset: keyword, namespace: keyword }),
      host: envelope({ name: keyword }),
      event: envelope({
        kind: keyword,
        module: keyword,
        dataset: keyword,
        action: keyword,
        outcome: keyword,
        ingested: { type: "date" },
      }),
      user: envelope({ name: keyword, id: keyword }),
      user_agent: envelope({ original: keyword }),
      source: envelope({ ip }),
      client: envelope({ ip }),
      orchestrator: envelope({
        type: keyword,
        api_version: keyword,
        namespace: keyword,
        cluster: envelope({ name: keyword }),
        resource: envelope({ name: keyword, type: keyword }),
      }),
      related: envelope({ ip, user: keyword }),
      kubernetes: envelope({ audit: auditEvent() }),
      auditship: auditship(body),
    },
  };
}

function auditEvent(): object {
  const user = { username: keyword, uid: keyword, groups: keyword };
  const bodyFields = properties(BODY_FIELDS);
  return envelope({
    kind: keyword,
    apiVersion: keyword,
    level: keyword,
    auditID: keyword,
    stage: keyword,
    requestURI: keyword,
    verb: keyword,
    user: envelope({ ...user, extra: envelope(EXTRA) }),
    impersonatedUser: envelope({ ...user, extra: envelope({ oid: keyword }) }),
    sourceIPs: keyword,
    userAgent: keyword,
    objectRef: envelope({
      resource: keyword,
      namespace: keyword,
      name: keyword,
      uid: keyword,
      apiGroup: keyword,
      apiVersion: keyword,
      resourceVersion: keyword,
      subresource: keyword,
    }),
    responseStatus: envelope({
      status: keyword,
      message: text,
      reason: keyword,
      code: { type: "integer", ignore_malformed: true },
    }),
    requestObject: bodyFields,
    responseObject: bodyFields,
    requestReceivedTimestamp: date,
    stageTimestamp: date,
    annotations: envelope(Object.fromEntries(ANNOTATIONS.map((name) => [name, keyword]))),
  });
}

const properties = (fields: Fields): object =>
  envelope(
    Object.fromEntries(Object.entries(fields).map(([name, below]) => [name, below ? properties(below) : keyword])),
  );
