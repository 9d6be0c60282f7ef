import {
  ANONYMOUS,
  APISERVER,
  controller,
  type EventParts,
  event,
  inCronJob,
  inTemplate,
  KUBELET,
  OPERATOR,
  ref,
  status,
} from "./events.js";

interface Hit {
  that: string;
  event: EventParts;
  message: string;
}
interface Miss {
  that: string;
  event: EventParts;
}
/** A rule of the pack: events that it matches with their message, and near misses. */
interface Case {
  rule: string;
  hits: Hit[];
  misses: Miss[];
}

const hit = (that: string, parts: EventParts, message: string): Hit => ({ that, event: event(parts), message });
const miss = (that: string, parts: EventParts): Miss => ({ that, event: event(parts) });

const CREATED = status(201);
const session = (subresource: string, parts: EventParts = {}): EventParts => ({
  objectRef: ref("pods", "shop", "web", subresource),
  responseStatus: status(101),
  ...parts,
});
const secrets = (parts: EventParts): EventParts => ({ objectRef: ref("secrets", "shop", "db"), ...parts });
const RBAC = "rbac.authorization.k8s.io";
const bound = (role: string, subject = "mallory") => ({
  roleRef: { kind: "ClusterRole", name: role },
  subjects: [{ kind: "User", name: subject }],
});
const binding = (parts: EventParts): EventParts => ({
  verb: "create",
  objectRef: ref(`clusterrolebindings@${RBAC}`, undefined, "b"),
  responseStatus: CREATED,
  ...parts,
});
const role = (verbs: string[], resources: string[], parts: EventParts = {}): EventParts => ({
  verb: "create",
  objectRef: ref(`roles@${RBAC}`, "shop", "r"),
  responseStatus: CREATED,
  requestObject: {
    rules: [
      { apiGroups: [""], verbs: ["get"], resources: ["pods"] },
      { apiGroups: [""], verbs, resources },
    ],
  },
  ...parts,
});
const pod = (spec: object, parts: EventParts = {}): EventParts => ({
  verb: "create",
  objectRef: ref("pods", "shop", "web"),
  responseStatus: CREATED,
  requestObject: { spec },
  ...parts,
});
const deployment = (spec: object, parts: EventParts = {}): EventParts => ({
  verb: "update",
  objectRef: ref("deployments@apps", "shop", "web"),
  requestObject: inTemplate(spec),
  ...parts,
});
const cronJob = (spec: object): EventParts => ({
  verb: "create",
  objectRef: ref("cronjobs@batch", "shop", "web"),
  responseStatus: CREATED,
  requestObject: inCronJob(spec),
});
/** A JSON patch of a deployment's template, and what came of it. */
const patched = (spec: object): EventParts => ({
  verb: "patch",
  objectRef: ref("deployments@apps", "shop", "web"),
  requestObject: [{ op: "add", path: "/spec/template/spec/x", value: true }],
  responseObject: inTemplate(spec),
});
const PRIVILEGED = { containers: [{ name: "a" }, { name: "b", securityContext: { privileged: true } }] };
const HOST_PATH = {
  volumes: [
    { name: "a", emptyDir: {} },
    { name: "b", hostPath: { path: "/" } },
  ],
};
const capable = (name: string) => ({
  containers: [{ name: "a", securityContext: { capabilities: { add: ["CHOWN", name] } } }],
});
const slow = (parts: EventParts = {}): EventParts => ({ stageTimestamp: "2026-01-05T08:00:07.500000Z", ...parts });

export const CASES: readonly Case[] = [
  // access
  {
    rule: "ExecOrAttach",
    hits: [
      hit(
        "exec by SPDY (create) when it opens",
        session("exec", { verb: "create", stage: "ResponseStarted" }),
        "alice opened exec in pod shop/web from 10.20.1.15 (ResponseStarted, code 101)",
      ),
      hit(
        "exec by WebSocket (get)",
        session("exec"),
        "alice opened exec in pod shop/web from 10.20.1.15 (ResponseComplete, code 101)",
      ),
      hit(
        "attach",
        session("attach", { verb: "create" }),
        "alice opened attach in pod shop/web from 10.20.1.15 (ResponseComplete, code 101)",
      ),
    ],
    misses: [
      miss("an exec that was denied", session("exec", { responseStatus: status(403) })),
      miss("a read of the pod", { objectRef: ref("pods", "shop", "web") }),
      miss("reading its log", session("log", { responseStatus: status(200) })),
      miss("the stage RequestReceived", session("exec", { stage: "RequestReceived", responseStatus: undefined })),
    ],
  },
  {
    rule: "PortForward",
    hits: [
      hit(
        "a port-forward",
        session("portforward", { verb: "create" }),
        "alice opened a port-forward to pod shop/web from 10.20.1.15 (ResponseComplete, code 101)",
      ),
    ],
    misses: [miss("an exec", session("exec"))],
  },
  {
    rule: "NodeProxy",
    hits: [
      hit(
        "the kubelet's run endpoint through the proxy",
        {
          verb: "create",
          objectRef: ref("nodes", undefined, "worker-1", "proxy"),
          requestURI: "/api/v1/nodes/worker-1/proxy/run/shop/web/app?cmd=id",
        },
        "alice create the kubelet of node worker-1 through the proxy from 10.20.1.15: /api/v1/nodes/worker-1/proxy/run/shop/web/app?cmd=id, code 200",
      ),
    ],
    misses: [
      miss("the kubelet's metrics", {
        objectRef: ref("nodes", undefined, "worker-1", "proxy"),
        requestURI: "/api/v1/nodes/worker-1/proxy/metrics/cadvisor",
      }),
      miss("a service's proxy", { objectRef: ref("services", "shop", "web", "proxy") }),
    ],
  },
  {
    rule: "EphemeralContainer",
    hits: [
      hit(
        "kubectl debug",
        { verb: "patch", objectRef: ref("pods", "shop", "web", "ephemeralcontainers") },
        "alice put a debug container into pod shop/web from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("another patch of the pod", { verb: "patch", objectRef: ref("pods", "shop", "web") }),
      miss("a denied one", {
        verb: "patch",
        objectRef: ref("pods", "shop", "web", "ephemeralcontainers"),
        responseStatus: status(403),
      }),
    ],
  },
  {
    rule: "FailedAuthentication",
    hits: [
      hit(
        "the one line of a rejected token, without a user",
        {
          stage: "ResponseStarted",
          verb: "list",
          user: {},
          requestURI: "/api/v1/nodes",
          objectRef: ref("nodes"),
          responseStatus: status(401, "Unauthorized", "Unauthorized"),
          annotations: undefined,
        },
        "Failed authentication, list /api/v1/nodes from 10.20.1.15 with kubectl/v1.34.1, code 401",
      ),
    ],
    misses: [miss("a denied request", { responseStatus: status(403) }), miss("an allowed one", {})],
  },
  {
    rule: "AnonymousRequest",
    hits: [
      hit(
        "a denied list of secrets",
        {
          user: ANONYMOUS,
          verb: "list",
          requestURI: "/api/v1/secrets",
          objectRef: ref("secrets"),
          responseStatus: status(403),
        },
        "Anonymous list /api/v1/secrets from 10.20.1.15 with kubectl/v1.34.1, code 403",
      ),
      hit(
        "a path that only begins like a health check",
        { user: ANONYMOUS, requestURI: "/healthz-and-more" },
        "Anonymous get /healthz-and-more from 10.20.1.15 with kubectl/v1.34.1, code 200",
      ),
    ],
    misses: [
      miss("a health check", { user: ANONYMOUS, requestURI: "/readyz?verbose" }),
      miss("a single health check", { user: ANONYMOUS, requestURI: "/livez/etcd" }),
      miss("kubeadm join reading cluster-info", {
        user: ANONYMOUS,
        requestURI: "/api/v1/namespaces/kube-public/configmaps/cluster-info",
        objectRef: ref("configmaps", "kube-public", "cluster-info"),
      }),
      miss("somebody with a name", { requestURI: "/version" }),
    ],
  },
  {
    rule: "DeniedRequest",
    hits: [
      hit(
        "a person denied by the authorizer",
        {
          verb: "list",
          requestURI: "/api/v1/secrets",
          objectRef: ref("secrets"),
          responseStatus: status(403, 'secrets is forbidden: User "alice" cannot list resource "secrets"'),
          annotations: { "authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": "" },
        },
        'alice was denied list /api/v1/secrets from 10.20.1.15, code 403 Forbidden: secrets is forbidden: User "alice" cannot list resource "secrets"',
      ),
      hit(
        "a service account denied by admission",
        {
          user: OPERATOR,
          verb: "create",
          objectRef: ref("pods", "shop"),
          responseStatus: status(403, 'pods "x" is forbidden: violates PodSecurity "baseline:latest"'),
        },
        'system:serviceaccount:databases:operator was denied create /api/v1/namespaces/shop/pods from 10.20.1.15, code 403 Forbidden: pods "x" is forbidden: violates PodSecurity "baseline:latest"',
      ),
    ],
    misses: [
      miss("what fails because its namespace goes away", {
        verb: "create",
        responseStatus: status(
          403,
          'pods "x" is forbidden: unable to create new content in namespace shop because it is being terminated',
        ),
      }),
      miss("a node", { user: KUBELET, responseStatus: status(403) }),
      miss("an anonymous request, which has its own rule", { user: ANONYMOUS, responseStatus: status(403) }),
      miss("what is not found", { responseStatus: status(404, "pods not found", "NotFound") }),
    ],
  },
  {
    rule: "DeniedComponent",
    hits: [
      hit(
        "a node that asks for another's secret",
        {
          user: KUBELET,
          objectRef: ref("secrets", "shop", "db"),
          responseStatus: status(403, "no relationship found"),
        },
        "system:node:worker-1 was denied get /api/v1/namespaces/shop/pods from 10.20.1.15, code 403 Forbidden: no relationship found",
      ),
    ],
    misses: [miss("a person", { responseStatus: status(403) }), miss("a node that is allowed", { user: KUBELET })],
  },
  {
    rule: "Impersonation",
    hits: [
      hit(
        "kubectl --as",
        { impersonatedUser: { username: "root", groups: ["system:masters"] } },
        "alice acted as root (system:masters), get /api/v1/namespaces/shop/pods from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("KubeSphere's API server acting for its users", {
        user: { username: "system:serviceaccount:kubesphere-system:kubesphere" },
        impersonatedUser: { username: "alice" },
      }),
      miss("a request in one's own name", {}),
    ],
  },
  {
    rule: "TokenRequest",
    hits: [
      hit(
        "kubectl create token",
        { verb: "create", objectRef: ref("serviceaccounts", "shop", "deployer", "token"), responseStatus: CREATED },
        "alice got a token of service account shop/deployer from 10.20.1.15, code 201",
      ),
    ],
    misses: [
      miss("a node asking for its pod", {
        user: KUBELET,
        verb: "create",
        objectRef: ref("serviceaccounts", "shop", "deployer", "token"),
        responseStatus: CREATED,
      }),
      miss("creating the service account", { verb: "create", objectRef: ref("serviceaccounts", "shop", "deployer") }),
      miss("one that was refused", {
        verb: "create",
        objectRef: ref("serviceaccounts", "shop", "deployer", "token"),
        responseStatus: status(403),
      }),
    ],
  },
  {
    rule: "CertificateApproval",
    hits: [
      hit(
        "kubectl certificate approve",
        {
          verb: "update",
          objectRef: ref("certificatesigningrequests@certificates.k8s.io", undefined, "mallory", "approval"),
        },
        "alice approved certificate request mallory from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("the controller that approves nodes", {
        user: controller("certificate-controller"),
        verb: "update",
        objectRef: ref("certificatesigningrequests@certificates.k8s.io", undefined, "node", "approval"),
      }),
      miss("asking for a certificate", {
        verb: "create",
        objectRef: ref("certificatesigningrequests@certificates.k8s.io", undefined, "mallory"),
      }),
    ],
  },
  // secrets
  {
    rule: "SecretRead",
    hits: [
      hit("a person", secrets({}), "alice read secret shop/db from 10.20.1.15, code 200"),
      hit(
        "an anonymous request that was let in",
        secrets({ user: ANONYMOUS }),
        "system:anonymous read secret shop/db from 10.20.1.15, code 200",
      ),
      hit(
        "a name that only looks like Kubernetes",
        secrets({ user: { username: "system:kube-scheduler-2" } }),
        "system:kube-scheduler-2 read secret shop/db from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("a node", secrets({ user: KUBELET })),
      miss("an operator", secrets({ user: OPERATOR })),
      miss("a secret that is not there", secrets({ responseStatus: status(404) })),
      miss("a ConfigMap", { objectRef: ref("configmaps", "shop", "db") }),
    ],
  },
  {
    rule: "SecretList",
    hits: [
      hit(
        "a list of a namespace",
        { verb: "list", objectRef: ref("secrets", "shop") },
        'alice list all secrets (namespace "shop", empty for the whole cluster) from 10.20.1.15, code 200',
      ),
      hit(
        "a watch of the cluster",
        { verb: "watch", objectRef: ref("secrets") },
        'alice watch all secrets (namespace "", empty for the whole cluster) from 10.20.1.15, code 200',
      ),
    ],
    misses: [
      miss("a read of one", secrets({})),
      miss("an operator", { user: OPERATOR, verb: "list", objectRef: ref("secrets", "shop") }),
      miss("a denied list", { verb: "list", objectRef: ref("secrets", "shop"), responseStatus: status(403) }),
    ],
  },
  {
    rule: "SecretListByServiceAccount",
    hits: [
      hit(
        "an unknown service account that lists all secrets",
        { user: OPERATOR, verb: "list", objectRef: ref("secrets") },
        "system:serviceaccount:databases:operator listed the secrets of all namespaces from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("a list of one namespace", { user: OPERATOR, verb: "list", objectRef: ref("secrets", "databases") }),
      miss("a known reader", {
        user: { username: "system:serviceaccount:cert-manager:cert-manager" },
        verb: "list",
        objectRef: ref("secrets"),
      }),
      miss("a controller of Kubernetes", {
        user: controller("generic-garbage-collector"),
        verb: "list",
        objectRef: ref("secrets"),
      }),
    ],
  },
  {
    rule: "SecretReadByServiceAccount",
    hits: [
      hit(
        "an operator",
        secrets({ user: OPERATOR }),
        "system:serviceaccount:databases:operator get secrets shop/db from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("a person", secrets({})),
      miss("a controller", secrets({ user: controller("namespace-controller") })),
    ],
  },
  // rbac
  {
    rule: "ClusterAdminBinding",
    hits: [
      hit(
        "a new binding to cluster-admin",
        binding({ requestObject: bound("cluster-admin") }),
        "alice create clusterrolebindings /b to cluster-admin from 10.20.1.15, code 201",
      ),
      hit(
        "a role binding to it in one namespace",
        binding({ objectRef: ref(`rolebindings@${RBAC}`, "shop", "b"), requestObject: bound("cluster-admin") }),
        "alice create rolebindings shop/b to cluster-admin from 10.20.1.15, code 201",
      ),
      hit(
        "a patch that adds a subject to such a binding",
        binding({
          verb: "patch",
          responseStatus: status(200),
          requestObject: [{ op: "add", path: "/subjects/-", value: { kind: "User", name: "mallory" } }],
          responseObject: bound("cluster-admin"),
        }),
        "alice patch clusterrolebindings /b to cluster-admin from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("a binding to view", binding({ requestObject: bound("view") })),
      miss("kube-apiserver at its start", binding({ user: APISERVER, requestObject: bound("cluster-admin") })),
      miss("one that was refused", binding({ requestObject: bound("cluster-admin"), responseStatus: status(403) })),
      miss("its deletion", binding({ verb: "delete", responseStatus: status(200) })),
    ],
  },
  {
    rule: "OpenBinding",
    hits: [
      hit(
        "a binding for system:anonymous",
        binding({ requestObject: bound("view", "system:anonymous") }),
        "alice create clusterrolebindings /b for everybody or system:masters from 10.20.1.15, code 201",
      ),
    ],
    misses: [miss("a binding for a user", binding({ requestObject: bound("view") }))],
  },
  {
    rule: "WildcardRole",
    hits: [
      hit("all verbs", role(["*"], ["pods"]), "alice create roles shop/r with wildcards from 10.20.1.15, code 201"),
      hit("all resources", role(["get"], ["*"]), "alice create roles shop/r with wildcards from 10.20.1.15, code 201"),
      hit(
        "a patch whose result has them",
        role([], [], {
          verb: "patch",
          responseStatus: status(200),
          requestObject: [{ op: "replace", path: "/rules/0/verbs/0", value: "x" }],
          responseObject: { rules: [{ verbs: ["*"], resources: ["pods"] }] },
        }),
        "alice patch roles shop/r with wildcards from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("a role without them", role(["get", "list"], ["pods"])),
      miss("kube-apiserver's own roles", role(["*"], ["*"], { user: APISERVER })),
    ],
  },
  {
    rule: "EscalationRole",
    hits: [
      hit(
        "escalate",
        role(["escalate"], ["roles"]),
        "alice create roles shop/r with escalate, bind or impersonate from 10.20.1.15, code 201",
      ),
      hit(
        "impersonate",
        role(["impersonate"], ["users"]),
        "alice create roles shop/r with escalate, bind or impersonate from 10.20.1.15, code 201",
      ),
      hit(
        "bind",
        role(["bind"], ["clusterroles"]),
        "alice create roles shop/r with escalate, bind or impersonate from 10.20.1.15, code 201",
      ),
    ],
    misses: [miss("a role that may change roles", role(["update"], ["roles"]))],
  },
  {
    rule: "ClusterBindingUnseen",
    hits: [
      hit(
        "a binding at level Metadata",
        binding({}),
        "alice create clusterrolebinding b from 10.20.1.15, code 201; its role was not logged",
      ),
    ],
    misses: [
      miss("one whose body is there", binding({ requestObject: bound("view") })),
      miss("a deletion", binding({ verb: "delete", responseStatus: status(200) })),
      miss("a binding in a namespace", binding({ objectRef: ref(`rolebindings@${RBAC}`, "shop", "b") })),
    ],
  },
  {
    rule: "RightsChange",
    hits: [
      hit(
        "the deletion of a role",
        { verb: "delete", objectRef: ref(`clusterroles@${RBAC}`, undefined, "viewer") },
        "alice delete clusterroles /viewer from 10.20.1.15, code 200",
      ),
      hit("a new role", role(["get"], ["pods"]), "alice create roles shop/r from 10.20.1.15, code 201"),
    ],
    misses: [
      miss("a read", { objectRef: ref(`roles@${RBAC}`, "shop", "r") }),
      miss("another group's roles", { verb: "create", objectRef: ref("roles@iam.example.com", "shop", "r") }),
      miss("the aggregation controller", {
        user: controller("clusterrole-aggregation-controller"),
        verb: "patch",
        objectRef: ref(`clusterroles@${RBAC}`, undefined, "admin"),
      }),
    ],
  },
  // workloads
  {
    rule: "PrivilegedPod",
    hits: [
      hit(
        "a pod's second container",
        pod(PRIVILEGED),
        "alice create privileged pods shop/web from 10.20.1.15, code 201",
      ),
      hit(
        "an init container",
        pod({ containers: [{ name: "a" }], initContainers: PRIVILEGED.containers }),
        "alice create privileged pods shop/web from 10.20.1.15, code 201",
      ),
      hit(
        "a deployment's template",
        deployment(PRIVILEGED),
        "alice update privileged deployments shop/web from 10.20.1.15, code 200",
      ),
      hit(
        "a cron job's template",
        cronJob(PRIVILEGED),
        "alice create privileged cronjobs shop/web from 10.20.1.15, code 201",
      ),
      hit(
        "a JSON patch that leads to one",
        patched(PRIVILEGED),
        "alice patch privileged deployments shop/web from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss(
        "a container that says it is not",
        pod({ containers: [{ name: "a", securityContext: { privileged: false } }] }),
      ),
      miss(
        "a pod that a controller makes from its template",
        pod(PRIVILEGED, { user: controller("daemon-set-controller") }),
      ),
      miss(
        "a static pod of kube-system",
        pod(PRIVILEGED, { user: KUBELET, objectRef: ref("pods", "kube-system", "etcd") }),
      ),
      miss("one that was refused", pod(PRIVILEGED, { responseStatus: status(403) })),
    ],
  },
  {
    rule: "CapablePod",
    hits: [
      hit(
        "SYS_ADMIN in a pod",
        pod(capable("SYS_ADMIN")),
        "alice create pods shop/web with all capabilities or SYS_ADMIN from 10.20.1.15, code 201",
      ),
      hit(
        "all capabilities in a template",
        deployment(capable("ALL")),
        "alice update deployments shop/web with all capabilities or SYS_ADMIN from 10.20.1.15, code 200",
      ),
      hit(
        "in a cron job",
        cronJob(capable("ALL")),
        "alice create cronjobs shop/web with all capabilities or SYS_ADMIN from 10.20.1.15, code 201",
      ),
    ],
    misses: [
      miss("a harmless one", pod(capable("NET_BIND_SERVICE"))),
      miss("dropping all", pod({ containers: [{ name: "a", securityContext: { capabilities: { drop: ["ALL"] } } }] })),
    ],
  },
  {
    rule: "HostPathPod",
    hits: [
      hit("a pod", pod(HOST_PATH), "alice create pods shop/web with a hostPath from 10.20.1.15, code 201"),
      hit(
        "a static pod outside kube-system",
        pod(HOST_PATH, { user: KUBELET }),
        "system:node:worker-1 create pods shop/web with a hostPath from 10.20.1.15, code 201",
      ),
      hit(
        "a template",
        deployment(HOST_PATH),
        "alice update deployments shop/web with a hostPath from 10.20.1.15, code 200",
      ),
      hit("a cron job", cronJob(HOST_PATH), "alice create cronjobs shop/web with a hostPath from 10.20.1.15, code 201"),
      hit(
        "a JSON patch that leads to one",
        patched(HOST_PATH),
        "alice patch deployments shop/web with a hostPath from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss(
        "other volumes",
        pod({
          volumes: [
            { name: "a", emptyDir: {} },
            { name: "b", configMap: { name: "c" } },
          ],
        }),
      ),
      miss("no volumes", pod({ containers: [{ name: "a" }] })),
    ],
  },
  {
    rule: "HostNetworkPod",
    hits: [
      hit("a pod", pod({ hostNetwork: true }), "alice create pods shop/web with hostNetwork from 10.20.1.15, code 201"),
      hit(
        "a template",
        deployment({ hostNetwork: true }),
        "alice update deployments shop/web with hostNetwork from 10.20.1.15, code 200",
      ),
      hit(
        "a cron job",
        cronJob({ hostNetwork: true }),
        "alice create cronjobs shop/web with hostNetwork from 10.20.1.15, code 201",
      ),
      hit(
        "a JSON patch that leads to one",
        patched({ hostNetwork: true }),
        "alice patch deployments shop/web with hostNetwork from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("a pod that says no", pod({ hostNetwork: false })),
      miss(
        "a status of one",
        pod({ hostNetwork: true }, { verb: "patch", objectRef: ref("pods", "shop", "web", "status") }),
      ),
    ],
  },
  {
    rule: "HostProcessPod",
    hits: [
      hit(
        "hostPID",
        pod({ hostPID: true }),
        "alice create pods shop/web with hostPID or hostIPC from 10.20.1.15, code 201",
      ),
      hit(
        "hostIPC in a template",
        deployment({ hostIPC: true }),
        "alice update deployments shop/web with hostPID or hostIPC from 10.20.1.15, code 200",
      ),
      hit(
        "hostPID in a cron job",
        cronJob({ hostPID: true }),
        "alice create cronjobs shop/web with hostPID or hostIPC from 10.20.1.15, code 201",
      ),
    ],
    misses: [miss("hostNetwork", pod({ hostNetwork: true })), miss("a pod that says no", pod({ hostPID: false }))],
  },
  {
    rule: "NodePortService",
    hits: [
      hit(
        "a service whose port Kubernetes chooses",
        {
          verb: "create",
          objectRef: ref("services", "shop", "web"),
          responseStatus: CREATED,
          requestObject: { spec: { type: "NodePort", ports: [{ port: 80 }] } },
        },
        "alice create NodePort service shop/web from 10.20.1.15, code 201",
      ),
      hit(
        "a JSON patch of the type",
        {
          verb: "patch",
          objectRef: ref("services", "shop", "web"),
          requestObject: [{ op: "replace", path: "/spec/type", value: "NodePort" }],
          responseObject: { spec: { type: "NodePort" } },
        },
        "alice patch NodePort service shop/web from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("a ClusterIP service", {
        verb: "create",
        objectRef: ref("services", "shop", "web"),
        requestObject: { spec: { type: "ClusterIP", ports: [{ port: 80 }] } },
      }),
      miss("another change of a NodePort service", {
        verb: "patch",
        objectRef: ref("services", "shop", "web"),
        requestObject: [{ op: "add", path: "/metadata/labels/a", value: "b" }],
        responseObject: { spec: { type: "NodePort" } },
      }),
    ],
  },
  // cluster
  {
    rule: "WebhookConfiguration",
    hits: [
      hit(
        "a new one",
        {
          verb: "create",
          objectRef: ref("mutatingwebhookconfigurations@admissionregistration.k8s.io", undefined, "inject"),
          responseStatus: CREATED,
        },
        "alice create mutatingwebhookconfigurations inject from 10.20.1.15, code 201",
      ),
      hit(
        "the deletion of one that guards",
        {
          verb: "delete",
          objectRef: ref("validatingwebhookconfigurations@admissionregistration.k8s.io", undefined, "policy"),
        },
        "alice delete validatingwebhookconfigurations policy from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("a read", {
        objectRef: ref("mutatingwebhookconfigurations@admissionregistration.k8s.io", undefined, "inject"),
      }),
    ],
  },
  {
    rule: "CustomResourceDefinition",
    hits: [
      hit(
        "a deletion",
        {
          verb: "delete",
          objectRef: ref("customresourcedefinitions@apiextensions.k8s.io", undefined, "apps.example.com"),
        },
        "alice delete CRD apps.example.com from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("a report of its state", {
        verb: "update",
        objectRef: ref("customresourcedefinitions@apiextensions.k8s.io", undefined, "apps.example.com", "status"),
      }),
      miss("kube-apiserver's own update", {
        user: APISERVER,
        verb: "update",
        objectRef: ref("customresourcedefinitions@apiextensions.k8s.io", undefined, "apps.example.com"),
      }),
    ],
  },
  {
    rule: "APIService",
    hits: [
      hit(
        "an API handed to a server of one's own",
        {
          verb: "create",
          objectRef: ref("apiservices@apiregistration.k8s.io", undefined, "v1.example.com"),
          responseStatus: CREATED,
        },
        "alice create APIService v1.example.com from 10.20.1.15, code 201",
      ),
    ],
    misses: [
      miss("kube-apiserver registering a CRD", {
        user: APISERVER,
        verb: "create",
        objectRef: ref("apiservices@apiregistration.k8s.io", undefined, "v1.example.com"),
        responseStatus: CREATED,
      }),
    ],
  },
  {
    rule: "NamespaceDeletion",
    hits: [
      hit(
        "kubectl delete namespace",
        { verb: "delete", objectRef: ref("namespaces", "shop", "shop") },
        "alice deleted namespace shop from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("a deletion inside one", { verb: "delete", objectRef: ref("pods", "shop", "web") }),
      miss("one that is not there", {
        verb: "delete",
        objectRef: ref("namespaces", "shop", "shop"),
        responseStatus: status(404),
      }),
    ],
  },
  {
    rule: "DeleteCollection",
    hits: [
      hit(
        "kubectl delete --all by collection",
        { verb: "deletecollection", objectRef: ref("configmaps", "shop") },
        'alice deleted all configmaps (namespace "shop", empty for the whole cluster) from 10.20.1.15, code 200',
      ),
    ],
    misses: [
      miss("the namespace controller emptying a namespace", {
        user: controller("namespace-controller"),
        verb: "deletecollection",
        objectRef: ref("configmaps", "shop"),
      }),
      miss("the deletion of one", { verb: "delete", objectRef: ref("configmaps", "shop", "a") }),
    ],
  },
  {
    rule: "Eviction",
    hits: [
      hit(
        "kubectl drain",
        { verb: "create", objectRef: ref("pods", "shop", "web", "eviction"), responseStatus: CREATED },
        "alice evicted pod shop/web from 10.20.1.15, code 201",
      ),
    ],
    misses: [
      miss("one that a disruption budget holds back", {
        verb: "create",
        objectRef: ref("pods", "shop", "web", "eviction"),
        responseStatus: status(429, "Cannot evict pod", "TooManyRequests"),
      }),
      miss("a deletion", { verb: "delete", objectRef: ref("pods", "shop", "web") }),
    ],
  },
  {
    rule: "SlowRequest",
    hits: [
      hit(
        "a list of seven and a half seconds",
        slow({ verb: "list", objectRef: ref("pods", "shop") }),
        "alice list /api/v1/namespaces/shop/pods took 7500 ms, code 200",
      ),
      hit(
        "a log that is read, not followed",
        slow({
          objectRef: ref("pods", "shop", "web", "log"),
          requestURI: "/api/v1/namespaces/shop/pods/web/log?container=follow",
        }),
        "alice get /api/v1/namespaces/shop/pods/web/log?container=follow took 7500 ms, code 200",
      ),
      hit(
        "a path without a resource",
        slow({ requestURI: "/openapi/v3" }),
        "alice get /openapi/v3 took 7500 ms, code 200",
      ),
    ],
    misses: [
      miss("a watch", slow({ verb: "watch", objectRef: ref("pods", "shop") })),
      miss(
        "a log that is followed",
        slow({
          objectRef: ref("pods", "shop", "web", "log"),
          requestURI: "/api/v1/namespaces/shop/pods/web/log?container=app&follow=true",
        }),
      ),
      ...["exec", "attach", "portforward", "proxy"].map((name) => miss(name, slow(session(name)))),
      miss("exactly five seconds", {
        objectRef: ref("pods", "shop"),
        stageTimestamp: "2026-01-05T08:00:05.000000Z",
      }),
    ],
  },
  {
    rule: "FreezeWindow",
    hits: [
      hit(
        "a change on the first day",
        { verb: "update", objectRef: ref("deployments@apps", "shop", "web") },
        "alice update deployments shop/web from 10.20.1.15 while changes are frozen, code 200",
      ),
    ],
    misses: [
      miss("a change on the day before", {
        verb: "update",
        objectRef: ref("deployments@apps", "shop", "web"),
        requestReceivedTimestamp: "2026-01-04T23:59:59.999999Z",
        stageTimestamp: "2026-01-05T00:00:00.100000Z",
      }),
      miss("a change at the end", {
        verb: "update",
        objectRef: ref("deployments@apps", "shop", "web"),
        requestReceivedTimestamp: "2026-01-06T00:00:00.000000Z",
        stageTimestamp: "2026-01-06T00:00:00.100000Z",
      }),
      miss("a read", { objectRef: ref("deployments@apps", "shop", "web") }),
      miss("a question about one's rights", {
        verb: "create",
        objectRef: ref("selfsubjectaccessreviews@authorization.k8s.io"),
      }),
    ],
  },
  // archiving
  {
    rule: "Change",
    hits: [
      hit(
        "an update by a person",
        { verb: "update", objectRef: ref("configmaps", "shop", "web") },
        "alice update configmaps shop/web from 10.20.1.15, code 200",
      ),
      hit(
        "a change that failed",
        { verb: "delete", objectRef: ref("pods", "shop", "web"), responseStatus: status(404) },
        "alice delete pods shop/web from 10.20.1.15, code 404",
      ),
      hit(
        "a pod that a controller makes",
        { user: controller("replicaset-controller"), verb: "create", objectRef: ref("pods", "shop", "web") },
        "system:serviceaccount:kube-system:replicaset-controller create pods shop/web from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("a read", { verb: "list", objectRef: ref("pods", "shop") }),
      miss("a node's heartbeat", {
        user: KUBELET,
        verb: "update",
        objectRef: ref("leases@coordination.k8s.io", "kube-node-lease", "worker-1"),
      }),
      miss("a node's report of its state", {
        user: KUBELET,
        verb: "patch",
        objectRef: ref("nodes", undefined, "worker-1", "status"),
      }),
      miss("an operator's leader election", {
        user: OPERATOR,
        verb: "update",
        objectRef: ref("leases@coordination.k8s.io", "databases", "leader"),
      }),
    ],
  },
  {
    rule: "SecretAccess",
    hits: [
      hit("a node", secrets({ user: KUBELET }), "system:node:worker-1 get secrets shop/db from 10.20.1.15, code 200"),
      hit(
        "a list that was denied",
        { verb: "list", objectRef: ref("secrets"), responseStatus: status(403) },
        "alice list secrets / from 10.20.1.15, code 403",
      ),
    ],
    misses: [miss("a read of something else", { objectRef: ref("configmaps", "shop", "db") })],
  },
  {
    rule: "PersonReads",
    hits: [
      hit(
        "a list",
        { verb: "list", objectRef: ref("pods", "shop") },
        "alice list pods shop/ from 10.20.1.15, code 200",
      ),
    ],
    misses: [
      miss("discovery", { requestURI: "/apis" }),
      miss("a service account", { user: OPERATOR, verb: "list", objectRef: ref("pods", "shop") }),
      miss("a node", { user: KUBELET, verb: "list", objectRef: ref("pods", "shop") }),
    ],
  },
  {
    rule: "Session",
    hits: [
      hit(
        "exec by WebSocket, whoever opens it",
        session("exec", { user: OPERATOR }),
        "system:serviceaccount:databases:operator opened exec of pods shop/web from 10.20.1.15, code 101",
      ),
    ],
    misses: [miss("a log", session("log", { user: OPERATOR }))],
  },
  {
    rule: "Refused",
    hits: [
      hit(
        "a read that was denied to a service account",
        { user: OPERATOR, verb: "list", responseStatus: status(403, "pods is forbidden") },
        "system:serviceaccount:databases:operator was refused list /api/v1/namespaces/shop/pods from 10.20.1.15: pods is forbidden",
      ),
    ],
    misses: [miss("a read of what is not there", { responseStatus: status(404) })],
  },
];
