import { ANONYMOUS, APPLICATIONS, PEOPLE, podName, serviceAccount } from "./cluster.js";
import { type Body, deployment, fakeToken, list, pod, secret } from "./objects.js";
import type { Random } from "./random.js";
import type { Actor, ApiRequest, Identity, ObjectRef } from "./request.js";

/** A run of requests that the rule pack is there for, in the order in which they come. */
export type Story = (random: Random) => ApiRequest[];

const { alice, bob, carol, intruder } = PEOPLE;
const SCANNER: Omit<Actor, "user"> = { sourceIPs: ["198.51.100.23"], userAgent: "curl/8.5.0", reason: "" };
const [FRONTEND, CART, , , LEDGER] = APPLICATIONS;

function seen(actor: Actor, verb: string, object: ObjectRef, rest: Partial<ApiRequest> = {}): ApiRequest {
  return { actor, verb, object, level: "RequestResponse", code: 200, latency: 6, received: true, ...rest };
}

/** The same request, denied by the authorizer. */
function denied(request: ApiRequest, who: Identity = request.actor.user): ApiRequest {
  const { object, path, verb, actor } = request;
  const scope = object?.namespace ? `in the namespace "${object.namespace}"` : "at the cluster scope";
  const named = object?.name ? `${object.resource} "${object.name}"` : object?.resource;
  const resource = object?.subresource ? `${object.resource}/${object.subresource}` : object?.resource;
  const message = object
    ? `${named} is forbidden: User "${who.username}" cannot ${verb} resource "${resource}" in API group "${object.apiGroup ?? ""}" ${scope}`
    : `forbidden: User "${actor.user.username}" cannot ${verb} path "${path}"`;
  const details = object ? { name: object.name, group: object.apiGroup, kind: object.resource } : {};
  return { ...request, code: 403, latency: 1, failure: { message, reason: "Forbidden", details }, started: false };
}

function exec(actor: Actor, namespace: string, name: string, command: string): ApiRequest {
  return {
    actor,
    // kubectl opens exec by WebSocket since 1.30: a get.
    verb: "get",
    object: { resource: "pods", namespace, name, subresource: "exec" },
    query: `command=${encodeURIComponent(command)}&container=app&stdin=true&stdout=true&tty=true`,
    level: "Request",
    code: 101,
    latency: 3_200,
    started: true,
  };
}

/** From outside: what does this server tell to strangers, and does it take an old token? */
const knockingFromOutside: Story = (random) => {
  const anonymous: Actor = { ...SCANNER, user: ANONYMOUS };
  const badToken: ApiRequest = {
    actor: { ...SCANNER, user: {} },
    verb: "list",
    object: { resource: "nodes" },
    level: "Metadata",
    code: 401,
    latency: 2,
    only: "ResponseStarted",
    failure: { message: "Unauthorized", reason: "Unauthorized" },
  };
  const walk = ["/", "/api", "/apis", "/metrics"].map((path) =>
    denied({ actor: anonymous, verb: "get", path, level: "Metadata", code: 403, latency: 1 }),
  );
  return [
    { actor: anonymous, verb: "get", path: "/version", level: "Metadata", code: 200, latency: 1 },
    ...walk.slice(0, random.between(1, 4)),
    denied(seen(anonymous, "list", { resource: "secrets" }, { level: "Metadata", received: false })),
    badToken,
    badToken,
    badToken,
  ];
};

/** A contractor's credentials in the wrong hands: look around, read secrets, get a shell, stay. */
const stolenCredentials: Story = (random) => {
  const passwords = secret("payments", "ledger-db", random);
  const binding: Body = {
    kind: "ClusterRoleBinding",
    apiVersion: "rbac.authorization.k8s.io/v1",
    metadata: { name: "debug-access" },
    subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "eve@example.net" }],
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
  };
  const rbac = { apiGroup: "rbac.authorization.k8s.io" };
  return [
    seen(intruder, "get", { resource: "secrets", namespace: "payments", name: "ledger-db" }, { response: passwords }),
    exec(intruder, "payments", podName(LEDGER, 0), "sh"),
    seen(
      intruder,
      "list",
      { resource: "secrets", namespace: "payments" },
      { response: list("Secret", "v1", [passwords, secret("payments", "checkout-api-key", random)], random) },
    ),
    seen(
      intruder,
      "create",
      { resource: "clusterrolebindings", name: "debug-access", ...rbac },
      { code: 201, request: binding, response: binding },
    ),
  ];
};

/** A pod that is no pod: the node's network, its processes, its disk. */
const escapeToTheNode: Story = (random) => {
  const stowaway = { ...FRONTEND, name: "node-debugger", image: "docker.io/library/alpine" };
  const onTheNode = {
    hostNetwork: true,
    hostPID: true,
    volumes: [{ name: "root", hostPath: { path: "/", type: "Directory" } }],
  };
  const body = pod(stowaway, random, {
    ...onTheNode,
    containers: [
      {
        name: "shell",
        image: "docker.io/library/alpine:3",
        command: ["nsenter", "-t", "1", "-a", "sh"],
        securityContext: { privileged: true },
      },
    ],
  });
  const agent = deployment({ ...stowaway, name: "node-agent" }, random, onTheNode);
  return [
    seen(
      intruder,
      "create",
      { resource: "pods", namespace: "shop", name: "node-debugger" },
      { code: 201, request: body, response: body },
    ),
    exec(intruder, "shop", "node-debugger", "sh"),
    seen(
      intruder,
      "create",
      { resource: "deployments", namespace: "shop", name: "node-agent", apiGroup: "apps" },
      { code: 201, request: agent, response: agent },
    ),
  ];
};

/** Acting as others: a token of another's service account, and kubectl --as. */
const borrowedIdentity: Story = (random) => {
  const account = {
    resource: "serviceaccounts",
    namespace: "argocd",
    name: "argocd-application-controller",
    subresource: "token",
  };
  const request = {
    kind: "TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    metadata: {},
    spec: { audiences: null, expirationSeconds: 3600, boundObjectRef: null },
    status: { token: "", expirationTimestamp: null },
  };
  const response = { ...request, status: { token: fakeToken(random), expirationTimestamp: "2026-01-05T09:00:00Z" } };
  const admin: Identity = { username: "cluster-root", groups: ["system:masters", "system:authenticated"] };
  return [
    seen(carol, "create", account, { code: 201, request, response }),
    seen(
      intruder,
      "list",
      { resource: "secrets" },
      { impersonated: admin, response: list("Secret", "v1", [secret("shop", "cart-db", random)], random) },
    ),
  ];
};

/** Trying doors that are shut. */
const deniedAttempts: Story = (random) => {
  const cart = serviceAccount("shop", "cart", "python-requests/2.32.3", "10.244.3.31");
  return [
    denied(seen(bob, "list", { resource: "secrets", namespace: "shop" }, { level: "Metadata" })),
    denied(seen(cart, "list", { resource: "secrets" }, { level: "Metadata", received: false })),
    denied(exec(alice, "payments", podName(LEDGER, random.int(3)), "bash")),
    denied(
      seen(
        cart,
        "create",
        { resource: "clusterrolebindings", apiGroup: "rbac.authorization.k8s.io" },
        { level: "Metadata", received: false },
      ),
    ),
  ];
};

/** Not an attack, but of interest: maintenance by hand. */
const maintenance: Story = (random) => {
  const name = podName(CART, random.int(3));
  const eviction = { kind: "Eviction", apiVersion: "policy/v1", metadata: { name, namespace: "shop" } };
  const service: Body = {
    kind: "Service",
    apiVersion: "v1",
    metadata: { name: "cart-debug", namespace: "shop" },
    spec: { type: "NodePort", selector: { app: "cart" }, ports: [{ port: 80, targetPort: 8081 }] },
  };
  return [
    seen(
      carol,
      "create",
      { resource: "pods", namespace: "shop", name, subresource: "eviction" },
      {
        code: 201,
        request: eviction,
        response: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 },
      },
    ),
    seen(
      alice,
      "create",
      { resource: "services", namespace: "shop", name: "cart-debug" },
      { code: 201, request: service, response: service },
    ),
    {
      ...seen(bob, "list", { resource: "events" }, { level: "Metadata", received: false }),
      latency: random.between(5500, 21_000),
    },
    seen(
      carol,
      "delete",
      { resource: "namespaces", name: "shop-preview" },
      { request: { kind: "DeleteOptions", apiVersion: "meta.k8s.io/__internal" } },
    ),
  ];
};

/** All stories. The first is told first, so that a newcomer soon sees a match. */
export const STORIES: readonly Story[] = [
  stolenCredentials,
  knockingFromOutside,
  escapeToTheNode,
  deniedAttempts,
  borrowedIdentity,
  maintenance,
];
