import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.js";
import type { IntakeSource } from "../../src/intake/source.js";
import { contextOf } from "../tail/harness.js";

const ROOT = fileURLToPath(new URL("../../daemonset/webhook/", import.meta.url));
// biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds
const read = (name: string): any => parse(readFileSync(join(ROOT, name), "utf8"));
const pod = read("deployment.yaml").spec.template.spec;
const [container] = pod.containers;
const portOf = (name: string) => container.ports.find((port: { name: string }) => port.name === name).containerPort;

const configuration = () => loadConfig(join(ROOT, "auditship.yaml"), { env: { NODE_NAME: "node-1" } });

describe("the agents that events are posted to", () => {
  it("have a configuration that loads, whose paths are mounted and whose ports are the container's", async () => {
    const { config, sources } = await configuration();
    const mounts = container.volumeMounts.map((mount: { mountPath: string }) => mount.mountPath);
    const { tls, listen } = sources[0].options as { tls: Record<string, string>; listen: string };
    const files = [config.state, ...config.rules.paths, ...Object.values(tls)];
    const isMounted = (path: string) => mounts.some((mount: string) => path === mount || path.startsWith(`${mount}/`));
    expect(files.filter((path) => !isMounted(path))).toEqual([]);
    expect(listen).toBe(`:${portOf("events")}`);
    expect(config.observe.listen).toBe(`0.0.0.0:${portOf("metrics")}`);
  });

  it("find in their Secret what the configuration names", async () => {
    const { sources } = await configuration();
    const { tls } = sources[0].options as { tls: Record<string, string> };
    const names = Object.values(tls).map((path) => path.replace("/etc/auditship/tls/", ""));
    expect(read("kustomization.yaml").secretGenerator[0].files.sort()).toEqual(names.sort());
  });

  it("are two on two nodes, of which a rollout takes one at a time", () => {
    const { replicas, strategy, selector } = read("deployment.yaml").spec;
    expect([replicas, strategy.rollingUpdate]).toEqual([2, { maxSurge: 0, maxUnavailable: 1 }]);
    const [apart] = pod.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution;
    expect(apart).toMatchObject({ topologyKey: "kubernetes.io/hostname", labelSelector: selector });
    expect(read("poddisruptionbudget.yaml").spec).toEqual({ minAvailable: 1, selector });
  });

  it("are behind the Service that KubeSphere's versions post to", () => {
    const { metadata, spec } = read("service.yaml");
    expect(metadata.name).toBe("kube-auditing-webhook-svc");
    expect(spec.ports.map((port: { port: number; targetPort: string }) => [port.port, port.targetPort])).toEqual([
      [443, "events"],
      [6443, "events"],
    ]);
    expect(spec.selector).toEqual(read("deployment.yaml").spec.selector.matchLabels);
  });

  it("have no right beside their directory on the node", () => {
    expect(container.securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect(container.securityContext.capabilities).not.toHaveProperty("add");
    expect(pod.automountServiceAccountToken).toBe(false);
    const writable = container.volumeMounts.filter((mount: { readOnly?: boolean }) => !mount.readOnly);
    expect(writable.map((mount: { name: string }) => mount.name)).toEqual(["state"]);
  });
});

describe.skipIf(spawnSync("openssl", ["version"]).status !== 0)("certificates.sh", () => {
  it("makes what the agents take events with, from who has its kubeconfig and from nobody else", async () => {
    const directory = mkdtempSync(join(tmpdir(), "auditship-certificates-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    execFileSync(join(ROOT, "certificates.sh"), ["10.96.0.20", directory]);
    const { sources } = await configuration();
    const { plugin, options } = sources[0] as never as {
      plugin: { open(o: object, c: object): IntakeSource };
      options: object;
    };
    const at = (name: string) => join(directory, name);
    const tls = { certFile: at("tls.crt"), keyFile: at("tls.key"), clientCaFile: at("clients.crt") };
    const context = contextOf({ log: [], metrics: new Map(), losses: [] }, {});
    const source = await plugin.open(
      { ...options, listen: "127.0.0.1:0", tls },
      { ...context, stateDirectory: () => at("spool") },
    );
    onTestFinished(() => source.close());
    source.begin();
    const kubeconfig = parse(readFileSync(at("audit-webhook.yaml"), "utf8"));
    const { cluster } = kubeconfig.clusters[0];
    expect(new URL(cluster.server)).toMatchObject({ host: "10.96.0.20:6443", pathname: "/audit/webhook/event" });
    expect(statSync(at("audit-webhook.yaml")).mode & 0o077).toBe(0);
    const bytes = (text: string) => Buffer.from(text, "base64");
    const { user } = kubeconfig.users[0];
    const post = (more: object) =>
      new Promise<number>((resolve, reject) => {
        const { port } = source.server!;
        const trust = { ca: bytes(cluster["certificate-authority-data"]), servername: cluster["tls-server-name"] };
        request({
          host: "127.0.0.1",
          port,
          method: "POST",
          path: "/audit/webhook/event",
          agent: false,
          ...trust,
          ...more,
        })
          .on("response", (response) => resolve(response.statusCode!))
          .on("error", reject)
          .end('{"items":[{"auditID":"1"}]}');
      });
    const credentials = { cert: bytes(user["client-certificate-data"]), key: bytes(user["client-key-data"]) };
    expect(await post(credentials)).toBe(200);
    expect(await post({})).toBe(401);
    expect(readFileSync(join(directory, "spool", "audit.log"), "utf8").trimStart()).toBe('{"auditID":"1"}\n');
  });
});
