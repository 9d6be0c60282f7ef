/** Rules and an event that commands are tried on. */
export const RULES = `apiVersion: auditing.kubesphere.io/v1alpha1
kind: Rule
metadata: { name: mine, labels: { type: alerting } }
spec:
  rules:
    - name: SecretRead
      type: rule
      desc: someone reads secrets
      condition: Verb = "get" and ObjectRef.Resource = "secrets"
      priority: WARNING
      output: \${User.Username} reads \${ObjectRef.Name}
      enable: true
    - name: Token
      type: rule
      condition: (RequestObject.data.token = "hunter2" or User.groups[*] = "ops") and (not (Verb = "watch"))
      priority: INFO
      output: token \${RequestObject.data.token}
      enable: true
`;

export const event = (name: string, more: object = {}) =>
  `${JSON.stringify({
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: "Request",
    auditID: `id-${name}`,
    stage: "ResponseComplete",
    requestURI: "/x",
    verb: "get",
    user: { username: "eve", groups: ["dev"] },
    objectRef: { resource: "secrets", namespace: "shop", name },
    responseStatus: { code: 200 },
    stageTimestamp: "2026-11-20T10:00:00.250000Z",
    ...more,
  })}\n`;
