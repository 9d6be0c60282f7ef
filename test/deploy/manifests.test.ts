import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { loadConfig } from "../../src/config/load.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
// biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds
const read = (path: string): any => parse(readFileSync(`${ROOT}${path}`, "utf8"));

const daemonset = read("daemonset/base/daemonset.yaml");
const pod = daemonset.spec.template.spec;
const [container] = pod.containers;
const mounts = new Map<string, string>(
  container.volumeMounts.map((mount: { mountPath: string; name: string }) => [mount.mountPath, mount.name]),
);

describe("the DaemonSet", () => {
  it("starts the agent with a configuration that loads, whose paths are mounted and whose port is the container's", async () => {
    const { config, sinks } = await loadConfig(`${ROOT}daemonset/base/auditship.yaml`, {
      env: { NODE_NAME: "node-1" },
    });
    expect(config.node).toBe("node-1");
    expect(mounts.get(config.state)).toBe("state");
    expect(mounts.get(config.rules.paths[0])).toBe("rules");
    expect(config.observe.listen).toBe(`0.0.0.0:${container.ports[0].containerPort}`);
    expect(container.args.at(-1).startsWith("/etc/auditship/config/")).toBe(true);
    expect(mounts.get("/etc/auditship/config")).toBe("config");
    expect(sinks.map((sink) => sink.name)).toEqual(["archive", "log"]);
  });

  it("runs on control-plane nodes under both of their names", () => {
    const terms = pod.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
    const names = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
    // Terms are alternatives; expressions within one would have to hold together.
    expect(
      terms.map((term: { matchExpressions: { key: string }[] }) => term.matchExpressions.map(({ key }) => key)),
    ).toEqual(names.map((name) => [name]));
    expect(pod.tolerations).toEqual(names.map((key) => ({ key, operator: "Exists" })));
  });

  it("has no right that reading the log does not need", () => {
    expect(container.securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"], add: ["DAC_READ_SEARCH"] },
    });
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod).not.toHaveProperty("hostNetwork");
    const writable = container.volumeMounts.filter((mount: { readOnly?: boolean }) => !mount.readOnly);
    expect(writable.map((mount: { name: string }) => mount.name)).toEqual(["state"]);
  });

  it("mounts directories that have to be there, in the base and in every overlay", () => {
    const overlays = readdirSync(`${ROOT}daemonset/overlays`).filter((name) => !name.startsWith("."));
    expect(overlays.sort()).toEqual(["var-log", "var-log-kubernetes", "var-log-kubernetes-audit"]);
    const patched = overlays.flatMap(
      (overlay) => read(`daemonset/overlays/${overlay}/kustomization.yaml`).patches ?? [],
    );
    const specs = [pod, ...patched.map((entry: { patch: string }) => parse(entry.patch).spec.template.spec)];
    const audit = specs.map(
      (spec) => spec.volumes.find((volume: { name: string }) => volume.name === "audit").hostPath,
    );
    expect(audit).toEqual(
      ["/var/log/kubernetes/audit", "/var/log", "/var/log/kubernetes"].map((path) => ({ path, type: "Directory" })),
    );
  });
});

describe("the component retention", () => {
  const cronJob = read("daemonset/components/retention/cronjob.yaml");
  const job = cronJob.spec.jobTemplate.spec.template;
  const [cleaner] = job.spec.containers;

  it("runs the command with the agent's configuration, at the place where the agent has it, and on no other's day", () => {
    expect(cleaner.args).toEqual(["retention", ...container.args.slice(1)]);
    const config = (spec: { volumes: { name: string }[] }) => spec.volumes.find(({ name }) => name === "config");
    expect(config(job.spec)).toEqual(config(pod));
    expect(cleaner.volumeMounts).toEqual(
      container.volumeMounts.filter((mount: { name: string }) => mount.name === "config"),
    );
    expect([cronJob.spec.timeZone, cronJob.spec.concurrencyPolicy]).toEqual(["Etc/UTC", "Forbid"]);
  });

  it("gives it every variable that the configuration asks for", async () => {
    const env = Object.fromEntries(cleaner.env.map(({ name }: { name: string }) => [name, "given"]));
    await expect(loadConfig(`${ROOT}daemonset/base/auditship.yaml`, { env })).resolves.toBeDefined();
  });

  it("gives it no right beyond talking to the sinks", () => {
    expect(job.spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
    expect(cleaner.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect(job.spec.automountServiceAccountToken).toBe(false);
    expect(job.spec.volumes.flatMap(Object.keys)).not.toContain("hostPath");
  });

  it("is no pod of the agent's Service, DaemonSet or NetworkPolicy, and has a policy of its own without a way in", () => {
    const agents = daemonset.spec.selector.matchLabels;
    expect(read("daemonset/base/service.yaml").spec.selector).toEqual(agents);
    expect(read("daemonset/base/networkpolicy.yaml").spec.podSelector.matchLabels).toEqual(agents);
    expect(job.metadata.labels).not.toMatchObject(agents);
    const { podSelector, policyTypes, ingress } = read("daemonset/components/retention/networkpolicy.yaml").spec;
    expect(job.metadata.labels).toMatchObject(podSelector.matchLabels);
    expect([policyTypes, ingress]).toEqual([["Ingress", "Egress"], undefined]);
  });
});

describe("the component kubesphere", () => {
  const documents = (path: string) =>
    parseAllDocuments(readFileSync(`${ROOT}daemonset/components/kubesphere/${path}`, "utf8")).map((each) =>
      each.toJS(),
    );

  it("turns on what the base's configuration leaves off", async () => {
    const [{ patch }] = read("daemonset/components/kubesphere/kustomization.yaml").patches;
    const added: { path: string; value: { name: string; value: string } }[] = parse(patch);
    const env = added.filter(({ path }) => path.endsWith("/env/-")).map(({ value: { name, value } }) => [name, value]);
    const watches = async (file: string, more: object) => {
      const { config, stages } = await loadConfig(`${ROOT}${file}`, { env: { NODE_NAME: "node-1", ...more } });
      const workspace = stages.find(({ plugin }) => plugin.name === "workspace");
      return [config.rules.watch, workspace?.options.watch];
    };
    for (const file of ["daemonset/base/auditship.yaml", "daemonset/webhook/auditship.yaml"]) {
      expect(await watches(file, {})).toEqual([false, false]);
      expect(await watches(file, Object.fromEntries(env))).toEqual([true, true]);
    }
  });

  it("gives the agent no right to read a Secret or to write a rule", () => {
    const roles = documents("rbac.yaml").filter(({ kind }) => kind.endsWith("Role"));
    const rights = roles.flatMap(({ rules }) =>
      rules.flatMap((rule: { resources: string[]; verbs: string[] }) =>
        rule.resources.flatMap((resource) => rule.verbs.map((verb) => `${verb} ${resource}`)),
      ),
    );
    expect([...new Set(rights)].sort()).toEqual([
      "create events",
      "list namespaces",
      "list rules",
      "list webhooks",
      "patch rules/status",
      "patch webhooks/status",
      "watch namespaces",
      "watch rules",
      "watch webhooks",
    ]);
  });

  it("has roles for people that no tenant has by what he has anyway", () => {
    const roles = documents("clusterroles.yaml");
    expect(roles.map(({ metadata }) => metadata.name)).toEqual(["auditship-rules-view", "auditship-rules-edit"]);
    for (const { metadata } of roles) expect(metadata.labels).toBeUndefined();
  });
});

describe("the definitions of Rule and Webhook resources", () => {
  it("are applied by no overlay and no component: they would take the place of KubeSphere's", () => {
    const names = readdirSync(`${ROOT}daemonset`, { recursive: true, encoding: "utf8" });
    const kustomizations = names.filter((name) => name.endsWith("kustomization.yaml") && !name.startsWith("crds"));
    for (const name of kustomizations) expect(readFileSync(`${ROOT}daemonset/${name}`, "utf8")).not.toContain("crds");
  });
});

describe("the rules' ConfigMap", () => {
  it("holds every file of the rule pack", () => {
    const [{ files }] = read("config/kustomization.yaml").configMapGenerator;
    expect(files.sort()).toEqual(
      readdirSync(`${ROOT}config/rules`)
        .sort()
        .map((name) => `rules/${name}`),
    );
  });
});

describe("the audit policy", () => {
  const { rules, omitStages, omitManagedFields } = read("config/audit-policy.yaml");
  interface Rule {
    level: string;
    verbs?: string[];
    users?: string[];
    userGroups?: string[];
    resources?: { group: string; resources?: string[] }[];
    nonResourceURLs?: string[];
  }
  /** The level of a user's request for a resource: the first rule that fits, as kube-apiserver takes it. */
  const levelOf = (group: string, resource: string, verb: string, user = "alice", userGroup = "people") =>
    (rules as Rule[]).find(
      (rule) =>
        !rule.nonResourceURLs &&
        (rule.verbs?.includes(verb) ?? true) &&
        (rule.users?.includes(user) ?? true) &&
        (rule.userGroups?.includes(userGroup) ?? true) &&
        (rule.resources?.some((entry) => entry.group === group && (entry.resources?.includes(resource) ?? true)) ??
          true),
    )?.level;

  it("never logs the body of a credential, and never leaves out who read it", () => {
    const users = ["alice", "system:apiserver", "system:kube-controller-manager", "system:node:a"];
    for (const user of users) {
      for (const verb of ["get", "list", "watch", "create", "update", "patch", "delete"]) {
        expect(levelOf("", "secrets", verb, user, "system:nodes")).toBe("Metadata");
        expect(levelOf("", "serviceaccounts/token", verb, user, "system:nodes")).toBe("Metadata");
        expect(levelOf("authentication.k8s.io", "tokenreviews", verb, user)).toBe("Metadata");
      }
    }
  });

  it("logs the bodies that the rule pack looks into", () => {
    for (const verb of ["create", "update", "patch"]) {
      expect(levelOf("rbac.authorization.k8s.io", "clusterrolebindings", verb)).toBe("RequestResponse");
      for (const resource of ["pods", "services"]) expect(levelOf("", resource, verb)).toBe("RequestResponse");
      for (const resource of ["deployments", "daemonsets"])
        expect(levelOf("apps", resource, verb)).toBe("RequestResponse");
      for (const resource of ["jobs", "cronjobs"]) expect(levelOf("batch", resource, verb)).toBe("RequestResponse");
    }
    expect(levelOf("", "pods/exec", "create")).toBe("Metadata");
  });

  it("logs everything people and service accounts do, but for events", () => {
    expect(levelOf("", "events", "create")).toBe("None");
    expect(levelOf("", "pods", "list")).toBe("Metadata");
    expect(levelOf("example.com", "anything", "delete", "system:serviceaccount:a:b")).toBe("Metadata");
    expect(levelOf("", "pods", "watch", "system:kube-scheduler")).toBe("None");
    expect([omitStages, omitManagedFields]).toEqual([["RequestReceived"], true]);
  });
});
