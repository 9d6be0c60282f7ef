import { type Application, NODES, podName } from "./cluster.js";
import type { Random } from "./random.js";

/** Kubernetes objects as they stand in requestObject and responseObject. Secrets in them say that they are fake. */

export type Body = Record<string, unknown>;

/** A value that looks like a secret to a program and like a fake to a reader. */
function fakeSecret(random: Random): string {
  return `FAKE-not-a-real-secret-${random.hex(8)}`;
}

/** A token in the form of a JWT whose parts decode to nothing but the word. */
export function fakeToken(random: Random): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none", typ: "JWT" })}.${part({ sub: "FAKE-not-a-real-token", jti: random.hex(8) })}.RkFLRQ`;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

export function podSpec(application: Application, random: Random): Body {
  return {
    containers: [
      {
        name: application.name,
        image: `${application.image}:1.${random.int(40)}.${random.int(10)}`,
        args: ["--listen", `:${application.port}`, "--log-format=json"],
        ports: [{ name: "http", containerPort: application.port, protocol: "TCP" }],
        env: [
          { name: "NODE_NAME", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "spec.nodeName" } } },
          {
            name: "DATABASE_URL",
            value: `postgres://${application.name}:FAKE-not-a-real-secret-of-${application.name}@db.${application.namespace}:5432/${application.name}?sslmode=require&pool=8`,
          },
          { name: "CACHE_SIZE", value: "256MB" },
        ],
        resources: { limits: { memory: "512Mi" }, requests: { cpu: "100m", memory: "256Mi" } },
        volumeMounts: [{ name: "config", mountPath: "/etc/app" }],
        livenessProbe: {
          httpGet: { path: "/livez", port: "http", scheme: "HTTP" },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        terminationMessagePath: "/dev/termination-log",
        terminationMessagePolicy: "File",
        imagePullPolicy: "IfNotPresent",
        securityContext: { runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
      },
    ],
    volumes: [{ name: "config", configMap: { name: `${application.name}-config`, defaultMode: 420 } }],
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    serviceAccountName: application.name,
    securityContext: { fsGroup: 1000 },
    schedulerName: "default-scheduler",
  };
}

export function metadata(namespace: string | undefined, name: string, random: Random, manager: string): Body {
  return {
    name,
    namespace,
    uid: random.uuid(),
    resourceVersion: String(random.between(100_000, 9_999_999)),
    generation: random.between(1, 40),
    creationTimestamp: "2026-01-05T08:00:00Z",
    labels: { app: name, "app.kubernetes.io/managed-by": manager, team: namespace ?? "platform" },
    managedFields: [
      {
        manager,
        operation: "Apply",
        apiVersion: "v1",
        time: "2026-01-05T08:00:00Z",
        fieldsType: "FieldsV1",
        fieldsV1: {
          "f:metadata": { "f:labels": { "f:app": {}, "f:app.kubernetes.io/managed-by": {}, "f:team": {} } },
          "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
              "f:metadata": {},
              "f:spec": {
                [`k:{"name":"${name}"}`]: {
                  ".": {},
                  "f:args": {},
                  "f:env": {},
                  "f:image": {},
                  "f:ports": {},
                  "f:resources": {},
                },
              },
            },
          },
        },
      },
    ],
  };
}

export function pod(application: Application, random: Random, extra: Body = {}): Body {
  const name = podName(application, random.int(3));
  return {
    kind: "Pod",
    apiVersion: "v1",
    metadata: metadata(application.namespace, name, random, "kube-controller-manager"),
    spec: { ...podSpec(application, random), nodeName: random.pick(NODES), ...extra },
    status: {
      phase: "Running",
      conditions: ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map(
        (type) => ({
          type,
          status: "True",
          lastTransitionTime: "2026-01-05T08:00:09Z",
        }),
      ),
      hostIP: "10.0.0.12",
      podIP: `10.244.${random.int(5)}.${random.int(250)}`,
      qosClass: "Burstable",
    },
  };
}

export function deployment(application: Application, random: Random, extra: Body = {}): Body {
  const labels = { app: application.name };
  return {
    kind: "Deployment",
    apiVersion: "apps/v1",
    metadata: metadata(application.namespace, application.name, random, "deployer"),
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { ...podSpec(application, random), ...extra } },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } },
      revisionHistoryLimit: 10,
    },
  };
}

export function configMap(application: Application, random: Random): Body {
  const settings = [
    "# generated <do not edit>",
    `listen: ":${application.port}"`,
    "features: [search, recommendations & ratings, größere-bilder]",
    `release: ${random.hex(12)}`,
    ...Array.from(
      { length: 12 },
      (_, i) => `route_${i}: /api/v1/${application.name}/${random.suffix(6)}?limit=50&page=${i}`,
    ),
  ];
  return {
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: metadata(application.namespace, `${application.name}-config`, random, "deployer"),
    data: { "app.yaml": settings.join("\n") },
  };
}

export function secret(namespace: string, name: string, random: Random): Body {
  return {
    kind: "Secret",
    apiVersion: "v1",
    metadata: metadata(namespace, name, random, "kubectl-create"),
    data: { username: base64("app"), password: base64(fakeSecret(random)) },
    type: "Opaque",
  };
}

/** A List of objects, without what each item shares with it. */
export function list(kind: string, apiVersion: string, items: Body[], random: Random): Body {
  const short = items.map(({ kind: _kind, apiVersion: _version, ...item }) => item);
  return {
    kind: `${kind}List`,
    apiVersion,
    metadata: { resourceVersion: String(random.between(100_000, 9_999_999)) },
    items: short,
  };
}
