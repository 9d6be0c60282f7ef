import {
  APPLICATIONS,
  ARGOCD,
  CERT_MANAGER,
  CI,
  CONTROLLER_MANAGER,
  COREDNS,
  controller,
  INGRESS,
  kubelet,
  NODES,
  PEOPLE,
  PROMETHEUS,
  podName,
  SCHEDULER,
  STATE_METRICS,
} from "./cluster.js";
import { type Body, configMap, deployment, list, metadata, pod } from "./objects.js";
import type { Random } from "./random.js";
import type { Actor, ApiRequest, ObjectRef } from "./request.js";

/** Everyday traffic: each entry makes one request that a cluster sees all day. */
export type Traffic = (random: Random) => ApiRequest;
type Weighted = readonly (readonly [weight: number, make: Traffic])[];

const HPA = controller("horizontal-pod-autoscaler");
const DEPLOYMENTS = controller("deployment-controller");
const REPLICASETS = controller("replicaset-controller");
const ENDPOINTSLICES = controller("endpointslice-controller");
const GARBAGE = controller("generic-garbage-collector");
const TEAM: readonly Actor[] = [PEOPLE.alice, PEOPLE.bob, PEOPLE.carol];

/** A request at level Metadata that went well. */
function plain(
  actor: Actor,
  verb: string,
  object: ObjectRef,
  random: Random,
  rest: Partial<ApiRequest> = {},
): ApiRequest {
  return { actor, verb, object, level: "Metadata", code: 200, latency: random.between(900, 14_000) / 1000, ...rest };
}

function bodied(
  actor: Actor,
  verb: string,
  object: ObjectRef,
  random: Random,
  bodies: Pick<ApiRequest, "request" | "response">,
  rest: Partial<ApiRequest> = {},
): ApiRequest {
  const level = bodies.response ? "RequestResponse" : "Request";
  return plain(actor, verb, object, random, { level, ...bodies, ...rest });
}

const lease = (namespace: string, name: string): ObjectRef => ({
  resource: "leases",
  namespace,
  name,
  apiGroup: "coordination.k8s.io",
});
const apps = (resource: string, namespace: string, name?: string, subresource?: string): ObjectRef => ({
  resource,
  namespace,
  name,
  apiGroup: "apps",
  subresource,
});

/** A watch of an informer: opened (ResponseStarted) or, after its minutes, closed (ResponseComplete). */
function watch(actor: Actor, object: ObjectRef, random: Random): ApiRequest {
  const seconds = random.between(300, 599);
  const closed = random.chance(0.5);
  return plain(actor, "watch", object, random, {
    query: `allowWatchBookmarks=true&resourceVersion=${random.between(100_000, 9_999_999)}&timeout=${Math.floor(seconds / 60)}m${seconds % 60}s&timeoutSeconds=${seconds}&watch=true`,
    latency: closed ? seconds * 1000 : 1,
    only: closed ? undefined : "ResponseStarted",
  });
}

/** Requests at level Metadata. */
export const METADATA_TRAFFIC: Weighted = [
  [
    14,
    (random) => {
      const node = random.pick(NODES);
      return plain(kubelet(node), "update", lease("kube-node-lease", node), random, { query: "timeout=10s" });
    },
  ],
  [
    5,
    (random) => {
      const node = random.pick(NODES);
      return plain(kubelet(node), "patch", { resource: "nodes", name: node, subresource: "status" }, random, {
        query: "timeout=10s",
      });
    },
  ],
  [
    5,
    (random) => {
      const application = random.pick(APPLICATIONS);
      const object = { resource: "pods", namespace: application.namespace, name: podName(application, random.int(3)) };
      return plain(kubelet(random.pick(NODES)), "patch", { ...object, subresource: "status" }, random);
    },
  ],
  [
    3,
    (random) => {
      const application = random.pick(APPLICATIONS);
      const object = { resource: "secrets", namespace: application.namespace, name: `${application.name}-tls` };
      return watch(kubelet(random.pick(NODES)), object, random);
    },
  ],
  [
    6,
    (random) =>
      plain(CONTROLLER_MANAGER, "update", lease("kube-system", "kube-controller-manager"), random, {
        query: "timeout=5s",
      }),
  ],
  [6, (random) => plain(SCHEDULER, "update", lease("kube-system", "kube-scheduler"), random, { query: "timeout=5s" })],
  [
    8,
    (random) => {
      const application = random.pick(APPLICATIONS);
      return plain(
        DEPLOYMENTS,
        "update",
        apps("deployments", application.namespace, application.name, "status"),
        random,
      );
    },
  ],
  [
    6,
    (random) => {
      const application = random.pick(APPLICATIONS);
      const object = {
        resource: "endpointslices",
        namespace: application.namespace,
        name: `${application.name}-4xk2p`,
        apiGroup: "discovery.k8s.io",
      };
      return plain(ENDPOINTSLICES, "update", object, random);
    },
  ],
  [
    6,
    (random) => {
      const application = random.pick(APPLICATIONS);
      const object = {
        resource: "pods",
        namespace: application.namespace,
        apiGroup: "metrics.k8s.io",
        apiVersion: "v1beta1",
      };
      return plain(HPA, "list", object, random, { query: `labelSelector=app%3D${application.name}` });
    },
  ],
  [4, (random) => watch(COREDNS, { resource: "endpointslices", apiGroup: "discovery.k8s.io" }, random)],
  [4, (random) => watch(INGRESS, { resource: "ingresses", apiGroup: "networking.k8s.io" }, random)],
  [4, (random) => watch(GARBAGE, { resource: random.pick(["configmaps", "replicasets", "jobs", "pods"]) }, random)],
  [
    10,
    (random) => {
      const application = random.pick(APPLICATIONS);
      return plain(ARGOCD, "get", apps("deployments", application.namespace, application.name), random);
    },
  ],
  [
    5,
    (random) =>
      watch(
        ARGOCD,
        { resource: "applications", namespace: "argocd", apiGroup: "argoproj.io", apiVersion: "v1alpha1" },
        random,
      ),
  ],
  [
    5,
    (random) =>
      plain(PROMETHEUS, "list", { resource: random.pick(["pods", "services", "endpoints", "nodes"]) }, random, {
        query: "limit=500&resourceVersion=0",
      }),
  ],
  [
    4,
    (random) => {
      const { namespace, name } = random.pick(APPLICATIONS);
      return plain(CERT_MANAGER, "get", { resource: "secrets", namespace, name: `${name}-tls` }, random);
    },
  ],
  [
    5,
    (random) =>
      plain(
        random.pick(TEAM),
        "list",
        { resource: random.pick(["pods", "services", "events"]), namespace: random.pick(APPLICATIONS).namespace },
        random,
        { query: "limit=500" },
      ),
  ],
  [
    3,
    (random) => {
      const application = random.pick(APPLICATIONS);
      const object = {
        resource: "pods",
        namespace: application.namespace,
        name: podName(application, random.int(3)),
        subresource: "log",
      };
      return plain(random.pick(TEAM), "get", object, random, {
        query: `container=${application.name}&tailLines=200`,
        started: true,
      });
    },
  ],
  [
    3,
    (random) => ({
      actor: kubelet("control-1"),
      verb: "get",
      path: random.pick(["/livez", "/readyz", "/version", "/openapi/v3"]),
      level: "Metadata",
      code: 200,
      latency: 0.4,
    }),
  ],
  [
    1,
    (random) =>
      plain(
        random.pick(TEAM),
        "create",
        { resource: "selfsubjectaccessreviews", apiGroup: "authorization.k8s.io" },
        random,
        { code: 201 },
      ),
  ],
];

/** Requests at levels Request and RequestResponse. */
export const BODY_TRAFFIC: Weighted = [
  [
    8,
    (random) => {
      const application = random.pick(APPLICATIONS);
      const object = apps("deployments", application.namespace, application.name);
      const body = deployment(application, random);
      return bodied(
        CI,
        "patch",
        object,
        random,
        { request: body, response: body },
        { query: "fieldManager=deployer&force=true", received: true },
      );
    },
  ],
  [
    10,
    (random) => {
      const application = random.pick(APPLICATIONS);
      const body = pod(application, random);
      const { status: _status, ...request } = body;
      const object = { resource: "pods", namespace: application.namespace, name: podName(application, random.int(3)) };
      return bodied(REPLICASETS, "create", object, random, { request, response: body }, { code: 201 });
    },
  ],
  [
    6,
    (random) => {
      const application = random.pick(APPLICATIONS);
      const name = podName(application, random.int(3));
      const object = { resource: "pods", namespace: application.namespace, name, subresource: "binding" };
      const request = {
        kind: "Binding",
        apiVersion: "v1",
        metadata: { name, namespace: application.namespace, uid: random.uuid() },
        target: { kind: "Node", name: random.pick(NODES) },
      };
      return bodied(SCHEDULER, "create", object, random, { request }, { code: 201 });
    },
  ],
  [
    7,
    (random) => {
      const application = random.pick(APPLICATIONS);
      const body = configMap(application, random);
      const object = { resource: "configmaps", namespace: application.namespace, name: `${application.name}-config` };
      return bodied(random.pick([CI, ARGOCD]), "update", object, random, { request: body, response: body });
    },
  ],
  [
    6,
    (random) => {
      const application = random.pick(APPLICATIONS);
      const response: Body = {
        kind: "Scale",
        apiVersion: "autoscaling/v1",
        metadata: metadata(application.namespace, application.name, random, "kube-controller-manager"),
        spec: { replicas: random.between(2, 6) },
        status: { replicas: 3, selector: `app=${application.name}` },
      };
      return bodied(HPA, "update", apps("deployments", application.namespace, application.name, "scale"), random, {
        request: response,
        response,
      });
    },
  ],
  [
    8,
    (random) => {
      const application = random.pick(APPLICATIONS);
      const response = {
        ...deployment(application, random),
        status: { replicas: 3, readyReplicas: 3, availableReplicas: 3 },
      };
      return bodied(ARGOCD, "get", apps("deployments", application.namespace, application.name), random, { response });
    },
  ],
];

/** A large list at RequestResponse: what makes single lines of an audit log long. */
export const LIST_TRAFFIC: Traffic = (random) => {
  const application = random.pick(APPLICATIONS);
  const items = Array.from({ length: random.between(15, 45) }, () => pod(application, random));
  const response = list("Pod", "v1", items, random);
  return bodied(
    STATE_METRICS,
    "list",
    { resource: "pods" },
    random,
    { response },
    { query: "limit=500&resourceVersion=0", latency: random.between(40, 400) },
  );
};

/** A handler of kube-apiserver that panicked: rare, and the only way to stage Panic. */
export const PANIC: Traffic = (random) => ({
  ...plain(PROMETHEUS, "list", { resource: "customthings", apiGroup: "example.com", apiVersion: "v1" }, random),
  code: 500,
  only: "Panic",
  failure: {
    message: "APIServer panic'd: runtime error: invalid memory address or nil pointer dereference",
    reason: "InternalError",
  },
});
