import type { Actor, Identity } from "./request.js";

/** The made-up cluster: its nodes, applications and those who act in it. */
export interface Application {
  readonly namespace: string;
  readonly name: string;
  readonly image: string;
  readonly port: number;
}

export const NODES = ["control-1", "worker-1", "worker-2", "worker-3", "worker-4"] as const;

export const APPLICATIONS: readonly Application[] = [
  { namespace: "shop", name: "frontend", image: "registry.example.com/shop/frontend", port: 8080 },
  { namespace: "shop", name: "cart", image: "registry.example.com/shop/cart", port: 8081 },
  { namespace: "shop", name: "catalog", image: "registry.example.com/shop/catalog", port: 8082 },
  { namespace: "shop-staging", name: "frontend", image: "registry.example.com/shop/frontend", port: 8080 },
  { namespace: "payments", name: "ledger", image: "registry.example.com/payments/ledger", port: 9000 },
  { namespace: "payments", name: "checkout", image: "registry.example.com/payments/checkout", port: 9001 },
  { namespace: "monitoring", name: "grafana", image: "docker.io/grafana/grafana", port: 3000 },
];

/** A pod's name of an application's deployment; `random` only decides which of its few replicas. */
export function podName(application: Application, replica: number): string {
  const tail = ["x7k2p", "m4d9z", "q8t5w"][replica % 3];
  return `${application.name}-7c9f8d6b54-${tail}`;
}

const AUTHENTICATED = "system:authenticated";
const KUBERNETES = "v1.34.4";
const COMMIT = "a1b2c3d";

function person(username: string, groups: string[], address: string, userAgent: string, rights: string): Actor {
  return {
    user: { username, groups: [...groups, AUTHENTICATED] },
    sourceIPs: [address],
    userAgent,
    reason: `RBAC: allowed by ${rights} to ${groups.length > 0 ? `Group "${groups[0]}"` : `User "${username}"`}`,
  };
}

const KUBECTL = `kubectl/v1.34.1 (darwin/arm64) kubernetes/${COMMIT}`;

export const PEOPLE = {
  alice: person(
    "alice@example.com",
    ["shop-developers"],
    "10.20.1.15",
    KUBECTL,
    'RoleBinding "developers/shop" of ClusterRole "edit"',
  ),
  bob: person(
    "bob@example.com",
    ["payments-developers"],
    "10.20.1.23",
    `kubectl/v1.32.4 (linux/amd64) kubernetes/${COMMIT}`,
    'RoleBinding "developers/payments" of ClusterRole "edit"',
  ),
  carol: person(
    "carol@example.com",
    ["platform-admins"],
    "10.20.2.4",
    KUBECTL,
    'ClusterRoleBinding "platform-admins" of ClusterRole "cluster-admin"',
  ),
  intruder: person(
    "dave@example.com",
    ["contractors"],
    "203.0.113.66",
    `kubectl/v1.30.2 (linux/amd64) kubernetes/${COMMIT}`,
    'ClusterRoleBinding "contractors-temporary" of ClusterRole "cluster-admin"',
  ),
};

/** A service account's request as bound tokens have been audited since 1.30: with pod, node and credential in `extra`. */
export function serviceAccount(namespace: string, name: string, userAgent: string, address: string): Actor {
  const fingerprint = stableHex(`${namespace}/${name}`);
  const uuid = `${fingerprint.slice(0, 8)}-1111-4111-a111-${fingerprint.slice(8, 20)}`;
  return {
    user: {
      username: `system:serviceaccount:${namespace}:${name}`,
      uid: uuid,
      groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, AUTHENTICATED],
      extra: {
        "authentication.kubernetes.io/credential-id": [`JTI=${uuid}`],
        "authentication.kubernetes.io/node-name": [NODES[1 + (fingerprint.charCodeAt(0) % 4)]],
        "authentication.kubernetes.io/node-uid": [
          `${fingerprint.slice(4, 12)}-2222-4222-a222-${fingerprint.slice(0, 12)}`,
        ],
        "authentication.kubernetes.io/pod-name": [`${name}-6d5b7c9f4-${fingerprint.slice(0, 5)}`],
        "authentication.kubernetes.io/pod-uid": [
          `${fingerprint.slice(2, 10)}-3333-4333-a333-${fingerprint.slice(6, 18)}`,
        ],
      },
    },
    sourceIPs: [address],
    userAgent,
    reason: `RBAC: allowed by ClusterRoleBinding "${namespace}-${name}" of ClusterRole "${namespace}-${name}" to ServiceAccount "${name}/${namespace}"`,
  };
}

/** One of kube-controller-manager's controllers: no pod behind its token. */
export function controller(name: string): Actor {
  return {
    user: {
      username: `system:serviceaccount:kube-system:${name}`,
      uid: `${stableHex(name).slice(0, 8)}-4444-4444-a444-${stableHex(name).slice(0, 12)}`,
      groups: ["system:serviceaccounts", "system:serviceaccounts:kube-system", AUTHENTICATED],
      extra: {
        "authentication.kubernetes.io/credential-id": [
          `JTI=${stableHex(name).slice(0, 8)}-5555-4555-a555-000000000000`,
        ],
      },
    },
    sourceIPs: ["10.0.0.10"],
    userAgent: `kube-controller-manager/${KUBERNETES} (linux/amd64) kubernetes/${COMMIT}/system:serviceaccount:kube-system:${name}`,
    reason: `RBAC: allowed by ClusterRoleBinding "system:controller:${name}" of ClusterRole "system:controller:${name}" to ServiceAccount "${name}/kube-system"`,
  };
}

export function kubelet(node: string): Actor {
  return {
    user: { username: `system:node:${node}`, groups: ["system:nodes", AUTHENTICATED] },
    sourceIPs: [`10.0.0.${10 + NODES.indexOf(node as (typeof NODES)[number])}`],
    userAgent: `kubelet/${KUBERNETES} (linux/amd64) kubernetes/${COMMIT}`,
    reason: "",
  };
}

function component(username: string, program: string): Actor {
  return {
    user: { username, groups: [AUTHENTICATED] },
    sourceIPs: ["10.0.0.10"],
    userAgent: `${program}/${KUBERNETES} (linux/amd64) kubernetes/${COMMIT}/leader-election`,
    reason: `RBAC: allowed by ClusterRoleBinding "${username}" of ClusterRole "${username}" to User "${username}"`,
  };
}

export const CONTROLLER_MANAGER = component("system:kube-controller-manager", "kube-controller-manager");
export const SCHEDULER = component("system:kube-scheduler", "kube-scheduler");
export const COREDNS = serviceAccount(
  "kube-system",
  "coredns",
  "coredns/v0.0.0 (linux/amd64) kubernetes/$Format",
  "10.244.1.4",
);
export const INGRESS = serviceAccount(
  "ingress-nginx",
  "ingress-nginx",
  "nginx-ingress-controller/v1.11.2 (linux/amd64) ingress-nginx/46e76e5",
  "10.244.2.7",
);
export const ARGOCD = serviceAccount(
  "argocd",
  "argocd-application-controller",
  "argocd-application-controller/v2.13.1 (linux/amd64)",
  "10.244.3.9",
);
export const PROMETHEUS = serviceAccount("monitoring", "prometheus", "Prometheus/2.55.1", "10.244.4.12");
export const STATE_METRICS = serviceAccount(
  "monitoring",
  "kube-state-metrics",
  "kube-state-metrics/v2.14.0 (linux/amd64) kube-state-metrics/9c1d2b5",
  "10.244.4.13",
);
export const CERT_MANAGER = serviceAccount(
  "cert-manager",
  "cert-manager",
  "cert-manager-certificates-readiness/v1.16.2 (linux/amd64) cert-manager/5aec44d",
  "10.244.2.21",
);
export const CI = serviceAccount("ci", "deployer", `kubectl/v1.34.1 (linux/amd64) kubernetes/${COMMIT}`, "10.20.9.40");

export const ANONYMOUS: Identity = { username: "system:anonymous", groups: ["system:unauthenticated"] };

/** Twenty hex digits that depend on nothing but the text (FNV-1a, three times). */
function stableHex(text: string): string {
  let out = "";
  for (let round = 0; round < 3; round++) {
    let hash = 0x811c9dc5 + round;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    out += (hash >>> 0).toString(16).padStart(8, "0");
  }
  return out.slice(0, 20);
}
