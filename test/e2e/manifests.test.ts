import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { parseAllDocuments } from "yaml";

/** Of a real kube-apiserver. */
const KUBECONFIG = process.env.AUDITSHIP_TEST_KUBECONFIG;
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const OVERLAYS = ["var-log-kubernetes-audit", "var-log-kubernetes", "var-log"];

interface Resource {
  kind: string;
  metadata: { name: string; namespace?: string };
  // biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds
  spec?: any;
  /** Of a binding. */
  subjects?: object[];
}

/** What the component kubesphere turns on. */
const WATCHES = [
  { name: "WATCH_RULES", value: "true" },
  { name: "WATCH_NAMESPACES", value: "true" },
];

function kubectl(args: string[], input?: string): string {
  const environment = { ...process.env, KUBECONFIG };
  return execFileSync("kubectl", args, { cwd: ROOT, encoding: "utf8", input, env: environment });
}

function built(directory: string): Resource[] {
  return parseAllDocuments(kubectl(["kustomize", directory])).map((document) => document.toJS() as Resource);
}

const apply = (...args: string[]) => ["apply", "--server-side", "--force-conflicts", ...args];

describe.skipIf(!KUBECONFIG)("the manifests, at a real kube-apiserver,", () => {
  // Namespaced resources are refused without their namespace, even in a dry run.
  beforeAll(() => {
    kubectl(apply("-f", "daemonset/base/namespace.yaml"));
    kubectl(apply("-n", "auditship", "-f", "daemonset/base/serviceaccount.yaml"));
  });

  it.each(OVERLAYS)("are accepted with the overlay %s", (overlay) => {
    const answer = kubectl(apply("--dry-run=server", "-k", `daemonset/overlays/${overlay}`));
    const accepted = answer.match(/serverside-applied \(server dry run\)/g) ?? [];
    expect(accepted).toHaveLength(built(`daemonset/overlays/${overlay}`).length);
  });

  it("make pods that admission lets in", () => {
    const daemonset = built("daemonset/overlays/var-log").find((resource) => resource.kind === "DaemonSet");
    const { metadata, spec } = daemonset?.spec.template ?? {};
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...metadata, name: "probe", namespace: "auditship" },
      spec,
    };
    expect(kubectl(apply("--dry-run=server", "-f", "-"), JSON.stringify(pod))).toContain(
      "pod/probe serverside-applied",
    );
  });

  /** What an overlay with a component is built into. */
  function builtWith(component: string, more: object = {}): Resource[] {
    const directory = mkdtempSync(join(ROOT, "daemonset", "overlays", ".test-"));
    try {
      const upTo = (path: string) => relative(directory, join(ROOT, "daemonset", path));
      const overlay = { resources: [upTo("base")], components: [upTo(`components/${component}`)], ...more };
      writeFileSync(join(directory, "kustomization.yaml"), JSON.stringify(overlay));
      return built(directory);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  /** The agents that events are posted to, with certificates: an overlay of them, with components, in a directory of its own. */
  function webhookOverlay(...components: string[]): string {
    const directory = mkdtempSync(join(tmpdir(), "auditship-manifests-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    for (const part of ["config", "daemonset/webhook", "daemonset/components"])
      cpSync(join(ROOT, part), join(directory, part), { recursive: true });
    execFileSync(join(directory, "daemonset/webhook/certificates.sh"), ["10.96.0.20"]);
    const overlay = join(directory, "daemonset/overlays/test");
    mkdirSync(overlay, { recursive: true });
    const kustomization = {
      resources: ["../../webhook"],
      components: components.map((name) => `../../components/${name}`),
    };
    writeFileSync(join(overlay, "kustomization.yaml"), JSON.stringify(kustomization));
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "kubesphere-logging-system" } };
    kubectl(apply("-f", "-"), JSON.stringify(namespace));
    return overlay;
  }

  it.each([[[]], [["kubesphere"]]])(
    "of the agents that events are posted to are accepted, with the components %j",
    (components) => {
      const overlay = webhookOverlay(...components);
      const answer = kubectl(apply("--dry-run=server", "-k", overlay));
      expect(answer.match(/serverside-applied \(server dry run\)/g) ?? []).toHaveLength(built(overlay).length);
    },
  );

  it("of the agents that events are posted to take the component kubesphere, in pods that admission lets in", () => {
    const resources = built(webhookOverlay("kubesphere"));
    const named = (kind: string) => resources.filter((resource) => resource.kind === kind);
    const [deployment] = named("Deployment");
    const { metadata, spec } = deployment.spec.template;
    expect(spec.automountServiceAccountToken).toBe(true);
    expect(spec.containers[0].env).toEqual(expect.arrayContaining(WATCHES));
    const [policy] = named("NetworkPolicy");
    expect(policy.spec.egress.at(-1)).toEqual({ ports: [{ port: 6443, protocol: "TCP" }] });
    // The rights are those of the account that the pods have.
    const account = named("ServiceAccount").map((resource) => resource.metadata);
    expect(account).toMatchObject([{ name: spec.serviceAccountName, namespace: deployment.metadata.namespace }]);
    const bindings = resources.filter(({ kind }) => kind.endsWith("Binding"));
    expect(bindings).toHaveLength(3);
    for (const { subjects } of bindings)
      expect(subjects).toContainEqual(
        expect.objectContaining({ name: account[0].name, namespace: account[0].namespace }),
      );
    kubectl(apply("-f", "-"), JSON.stringify(named("ServiceAccount")[0]));
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...metadata, name: "probe", namespace: account[0].namespace },
      spec,
    };
    expect(kubectl(apply("--dry-run=server", "-f", "-"), JSON.stringify(pod))).toContain(
      "pod/probe serverside-applied",
    );
  });

  it("take the ServiceMonitor as a component", () => {
    const monitor = builtWith("servicemonitor").find((resource) => resource.kind === "ServiceMonitor");
    expect(monitor?.metadata).toMatchObject({ name: "auditship", namespace: "auditship" });
  });

  it("take the alerts on the agent itself as a component", () => {
    const rule = builtWith("prometheusrule").find((resource) => resource.kind === "PrometheusRule");
    expect(rule?.metadata).toMatchObject({ name: "auditship", namespace: "auditship" });
  });

  it("take the component kubesphere, whose rights are accepted and lie where the rules do", () => {
    const resources = builtWith("kubesphere");
    const daemonset = resources.find((resource) => resource.kind === "DaemonSet");
    const { automountServiceAccountToken, containers } = daemonset!.spec.template.spec;
    expect(automountServiceAccountToken).toBe(true);
    expect(containers[0].env).toEqual(expect.arrayContaining(WATCHES));
    const rights = resources.filter(({ kind }) => /^(Cluster)?Role(Binding)?$/.test(kind));
    expect(rights.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ""}`).sort()).toEqual([
      "ClusterRole ",
      "ClusterRole ",
      "ClusterRole ",
      "ClusterRoleBinding ",
      ...["Role default", "Role kubesphere-logging-system"],
      ...["RoleBinding default", "RoleBinding kubesphere-logging-system"],
    ]);
    const elsewhere = rights.filter(({ metadata }) => metadata.namespace !== "kubesphere-logging-system");
    for (const right of elsewhere) {
      expect(kubectl(apply("--dry-run=server", "-f", "-"), JSON.stringify(right))).toContain("serverside-applied");
    }
  });

  it("take the retention as a component, with the agent's image, in pods that admission lets in", () => {
    const images = [{ name: "auditship", newName: "registry.example/auditship", newTag: "9" }];
    const resources = builtWith("retention", { images });
    const cronJob = resources.find((resource) => resource.kind === "CronJob");
    const { metadata, spec } = cronJob!.spec.jobTemplate.spec.template;
    expect(spec.containers[0].image).toBe("registry.example/auditship:9");
    expect(kubectl(apply("--dry-run=server", "-f", "-"), JSON.stringify(cronJob))).toContain("serverside-applied");
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...metadata, name: "cleaner", namespace: "auditship" },
      spec,
    };
    expect(kubectl(apply("--dry-run=server", "-f", "-"), JSON.stringify(pod))).toContain(
      "pod/cleaner serverside-applied",
    );
  });
});
