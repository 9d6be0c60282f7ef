import { beforeAll, describe, expect, test } from "vitest";
import { SEARCH_SERVERS } from "./search-server.js";
import { Shipping } from "./shipping.js";

// What Kibana makes of KQL: `field:value`, `field:"value"`, `field:*part*`, `field:*`, `field:(a or b)`, `not`.
const is = (field: string, value: string | number | boolean) => ({ match: { [field]: value } });
const phrase = (field: string, value: string) => ({ match_phrase: { [field]: value } });
const like = (field: string, pattern: string) => ({
  query_string: { fields: [field], query: pattern.replace(/[:/-]/g, "\\$&") },
});
const exists = (field: string) => ({ exists: { field } });
const oneOf = (field: string, ...values: string[]) => ({
  bool: { should: values.map((value) => is(field, value)), minimum_should_match: 1 },
});
const not = (query: object) => ({ bool: { must_not: [query] } });
// What EQL and ES|QL make of `field == value` and `field like "pattern"`.
const equals = (field: string, value: string) => ({ term: { [field]: value } });
const wildcard = (field: string, value: string) => ({ wildcard: { [field]: { value } } });

const AUDIT = "kubernetes.audit";
const ALLOW = is(`${AUDIT}.annotations.authorization_k8s_io/decision`, "allow");
const FORBID = is(`${AUDIT}.annotations.authorization_k8s_io/decision`, "forbid");
const REQUEST = `${AUDIT}.requestObject`;

const event = (auditID: string, more: object, decision = "allow") => ({
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  level: "RequestResponse",
  auditID,
  stage: "ResponseComplete",
  requestURI: "/",
  verb: "create",
  user: { username: "ann", uid: "u-1", groups: ["dev", "system:authenticated"] },
  sourceIPs: ["10.0.3.17", "2001:db8::1"],
  userAgent: "kubectl/v1.30.1 (linux/amd64) kubernetes/6911225",
  requestReceivedTimestamp: "2026-11-21T08:00:00.000001Z",
  stageTimestamp: "2026-11-21T08:00:00.000002Z",
  annotations: { "authorization.k8s.io/decision": decision, "authorization.k8s.io/reason": "RBAC: because" },
  ...more,
});
const pod = (auditID: string, spec: object, name = auditID) =>
  event(auditID, {
    objectRef: { resource: "pods", namespace: "shop", name, apiVersion: "v1" },
    responseStatus: { metadata: {}, code: 201 },
    requestObject: {
      kind: "Pod",
      metadata: { labels: { "a.b/c": "d" }, managedFields: [{ "f:a": { ".": {} } }] },
      spec,
    },
  });

const EVENTS = [
  pod("host", { hostNetwork: true, hostPID: true, hostIPC: false, containers: [{ image: "quay.io/x/agent:1" }] }),
  pod("privileged", {
    serviceAccountName: "node-controller",
    containers: [
      { image: "nginx:1.27" },
      {
        image: "docker.io/busybox:1",
        securityContext: { privileged: true, capabilities: { add: ["NET_ADMIN", "BPF"] } },
      },
    ],
    volumes: [
      { name: "a", emptyDir: {} },
      { name: "b", hostPath: { path: "/var/run/docker.sock" } },
    ],
  }),
  event("node-port", {
    objectRef: { resource: "services", namespace: "shop", name: "s" },
    requestObject: { kind: "Service", spec: { type: "NodePort", ports: [{ nodePort: 30000 }] } },
  }),
  event("role", {
    verb: "patch",
    objectRef: { resource: "clusterroles", name: "r" },
    requestObject: {
      rules: [
        { verbs: ["get"], resources: ["pods"] },
        { verbs: ["*"], resources: ["secrets"] },
      ],
    },
    responseObject: { rules: [{ verbs: ["*"], resources: ["secrets"] }] },
  }),
  event("binding", {
    objectRef: { resource: "clusterrolebindings", name: "b" },
    requestObject: {
      roleRef: { kind: "ClusterRole", name: "cluster-admin" },
      subjects: [{ kind: "User", name: "eve" }],
    },
  }),
  event(
    "exec",
    {
      verb: "get",
      requestURI: `/api/v1/namespaces/shop/pods/x/exec?${"command=a&".repeat(200)}command=%2Fbin%2Fsh`,
      user: {
        username: "system:serviceaccount:shop:web",
        groups: ["system:serviceaccounts"],
        extra: { "authentication.kubernetes.io/pod-name": ["web-1"] },
      },
      impersonatedUser: { username: "system:admin", groups: ["system:masters"] },
      objectRef: { resource: "pods", namespace: "shop", name: "x", subresource: "exec" },
      responseStatus: {
        metadata: {},
        status: "Failure",
        reason: "Forbidden",
        message: 'pods "x" is forbidden',
        code: 403,
      },
    },
    "forbid",
  ),
  event("custom", {
    objectRef: { resource: "widgets", namespace: "shop", name: "w" },
    requestObject: { spec: { type: { of: "widget" }, containers: "none" } },
  }),
];

for (const server of SEARCH_SERVERS) {
  describe.skipIf(!server.url)(`Elastic's rules on ${server.name}`, () => {
    let shipping: Shipping;

    beforeAll(async () => {
      shipping = await Shipping.to(server, `ecs-${process.pid}-{date}`, "ecs");
      expect(await shipping.ship(EVENTS.map((each) => JSON.stringify(each)))).toBe(0);
    });

    const ids = async (...filter: object[]): Promise<string[]> => {
      const found = await shipping.find({ bool: { filter } });
      return found.map(({ kubernetes }) => (kubernetes as { audit: { auditID: string } }).audit.auditID).sort();
    };

    test.each<[string, object[], string[]]>([
      [
        "a data set",
        [phrase("data_stream.dataset", "kubernetes.audit_logs"), is("event.dataset", "kubernetes.audit_logs")],
        EVENTS.map((each) => each.auditID).sort(),
      ],
      [
        "a pod in the host's network",
        [
          ALLOW,
          oneOf(`${AUDIT}.verb`, "create", "update", "patch"),
          is(`${AUDIT}.objectRef.resource`, "pods"),
          is(`${REQUEST}.spec.hostNetwork`, true),
        ],
        ["host"],
      ],
      [
        "a pod in the host's processes, not of an image",
        [is(`${REQUEST}.spec.hostPID`, true), not(like(`${REQUEST}.spec.containers.image`, "*busybox*"))],
        ["host"],
      ],
      ["a pod in the host's IPC", [is(`${REQUEST}.spec.hostIPC`, true)], []],
      ["a privileged container", [is(`${REQUEST}.spec.containers.securityContext.privileged`, true)], ["privileged"]],
      [
        "an added capability",
        [oneOf(`${REQUEST}.spec.containers.securityContext.capabilities.add`, "SYS_ADMIN", "BPF")],
        ["privileged"],
      ],
      [
        "a path of the host",
        [oneOf(`${REQUEST}.spec.volumes.hostPath.path`, "/", "/var/run/docker.sock")],
        ["privileged"],
      ],
      [
        "a controller's account",
        [exists(`${REQUEST}.spec.serviceAccountName`), like(`${REQUEST}.spec.serviceAccountName`, "*controller")],
        ["privileged"],
      ],
      ["an image by its beginning", [like(`${REQUEST}.spec.containers.image`, "docker.io/busybox*")], ["privileged"]],
      ["an image by a pattern", [wildcard(`${REQUEST}.spec.containers.image`, "*quay.io*")], ["host"]],
      ["a service on the nodes' ports", [phrase(`${REQUEST}.spec.type`, "NodePort")], ["node-port"]],
      [
        "a role that may all",
        [equals(`${REQUEST}.rules.verbs`, "*"), oneOf(`${REQUEST}.rules.resources`, "secrets")],
        ["role"],
      ],
      ["a role as it was answered", [equals(`${AUDIT}.responseObject.rules.verbs`, "*")], ["role"]],
      ["a binding to cluster-admin", [phrase(`${REQUEST}.roleRef.name`, "cluster-admin")], ["binding"]],
      [
        "a forbidden request",
        [FORBID, is("event.outcome", "failure"), is(`${AUDIT}.responseStatus.code`, 403)],
        ["exec"],
      ],
      [
        "exec in a pod",
        [is(`${AUDIT}.objectRef.subresource`, "exec"), oneOf("event.action", "get", "create")],
        ["exec"],
      ],
      ["a command far back in a URI", [wildcard(`${AUDIT}.requestURI`, "*%2Fbin%2Fsh*")], ["exec"]],
      [
        "a service account",
        [like("user.name", "system:serviceaccount:*"), is(`${AUDIT}.user.groups`, "system:serviceaccounts")],
        ["exec"],
      ],
      [
        "an impersonated user",
        [
          is(`${AUDIT}.impersonatedUser.username`, "system:admin"),
          is(`${AUDIT}.impersonatedUser.groups`, "system:masters"),
          is("related.user", "system:admin"),
        ],
        ["exec"],
      ],
      [
        "what an authenticator adds",
        [is(`${AUDIT}.user.extra.authentication.kubernetes.io/pod-name`, "web-1")],
        ["exec"],
      ],
      [
        "an address",
        [
          is("source.ip", "10.0.0.0/8"),
          is("client.ip", "2001:db8::1"),
          equals(`${AUDIT}.sourceIPs`, "10.0.3.17"),
          is("related.ip", "10.0.3.17"),
          is("event.action", "patch"),
        ],
        ["role"],
      ],
      [
        "a user agent",
        [
          like("user_agent.original", "kubectl*"),
          like(`${AUDIT}.userAgent`, "*linux/amd64*"),
          is("event.action", "patch"),
        ],
        ["role"],
      ],
      [
        "an orchestrator",
        [
          is("orchestrator.type", "kubernetes"),
          is("orchestrator.cluster.name", "prod-1"),
          is("orchestrator.resource.type", "widgets"),
          is("orchestrator.namespace", "shop"),
        ],
        ["custom"],
      ],
      [
        "a resource of another kind by its envelope",
        [ALLOW, is(`${AUDIT}.objectRef.resource`, "widgets"), is("user.id", "u-1")],
        ["custom"],
      ],
      ["when it came in", [{ range: { "event.ingested": { gte: "now-1h" } } }, is("event.action", "patch")], ["role"]],
    ])("find %s", async (_, filter, expected) => {
      expect(await ids(...filter)).toEqual(expected);
    });
  });
}
