/** Rules as people write them, in three ecosystems' files; few events match. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes so many rules into a directory, dealt to KubeSphere, Falco and Sigma in turn. */
export function writeRules(directory: string, count: number): void {
  const own = DIALECTS.map((_, dialect) =>
    Array.from({ length: count }, (_, index) => index).filter((index) => index % DIALECTS.length === dialect),
  );
  for (const [dialect, { file, write }] of DIALECTS.entries()) {
    if (own[dialect].length > 0) writeFileSync(join(directory, file), write(own[dialect]));
  }
}

const pick = (list: readonly string[], n: number): string => list[n % list.length];
const RESOURCES = ["pods", "secrets", "configmaps", "deployments", "services", "nodes", "roles", "leases", "endpoints"];
const VERBS = ["create", "update", "patch", "delete", "get", "list", "watch"];
const NAMESPACES = ["kube-system", "default", "shop", "monitoring", "team-a", "team-b", "payments"];

/** KubeSphere's conditions, one for each number. */
const KUBESPHERE: readonly ((n: number) => string)[] = [
  (n) =>
    `ObjectRef.Resource = "${pick(RESOURCES, n)}" and Verb in ("${pick(VERBS, n)}", "${pick(VERBS, n + 2)}") and ` +
    `ObjectRef.Namespace = "${pick(NAMESPACES, n)}" and ObjectRef.Name = "target-${n}"`,
  (n) => `Verb = "${pick(VERBS, n)}" and User.username regex "^oidc:user-${n}[0-9]*@"`,
  (n) => `RequestURI regex "/proxy/.*secret-${n}" and Verb in ("get", "create")`,
  (n) => `ResponseStatus.code = ${500 + (n % 20)} and ObjectRef.Resource = "${pick(RESOURCES, n)}"`,
  (n) =>
    `Verb in ("create", "update", "patch") and ObjectRef.Resource = "${pick(["pods", "deployments"], n)}" and ` +
    `RequestObject.metadata.labels.owner = "team-${n}"`,
  (n) => `User.groups[*] = "contractors-${n}" and Verb in ("delete", "deletecollection")`,
  (n) => `UserAgent contains "scanner-${n}" and (not (SourceIPs[*] like "^10[.]"))`,
  (n) =>
    `ObjectRef.Namespace like "^tenant-${n}-" and ObjectRef.Resource in ("${pick(RESOURCES, n)}", "${pick(RESOURCES, n + 3)}") ` +
    `and ObjectRef.Subresource = "${pick(["", "exec", "status"], n)}"`,
  (n) => `ObjectRef.Resource = "secrets" and ObjectRef.Name contains "vault-${n}" and (not (Verb = "watch"))`,
  (n) => `RequestURI contains "/tenants/t-${n}/" and ResponseStatus.code >= 400`,
];

const FALCO: readonly ((n: number) => string)[] = [
  (n) =>
    `ka.verb in (${pick(VERBS, n)}, ${pick(VERBS, n + 1)}) and ka.target.resource = ${pick(RESOURCES, n)} and ka.target.name = target-${n}`,
  (n) => `ka.target.namespace startswith tenant-${n}- and not ka.user.name startswith "system:"`,
  (n) => `ka.uri contains "/tenants/t-${n}/" and ka.response.code >= 400`,
  (n) => `ka.useragent contains scanner-${n} and ka.verb != watch`,
  (n) => `ka.user.groups intersects (contractors-${n}, guests-${n}) and ka.verb in (delete, deletecollection)`,
];

const SIGMA: readonly ((n: number) => object)[] = [
  (n) => ({
    selection: { verb: pick(VERBS, n), "objectRef.resource": pick(RESOURCES, n), "objectRef.name": `target-${n}` },
  }),
  (n) => ({ selection: { "userAgent|contains": `scanner-${n}`, "responseStatus.code": 403 } }),
  (n) => ({ selection: { "requestURI|contains": `/proxy/secret-${n}`, verb: ["get", "create"] } }),
  (n) => ({ selection: { "user.username|startswith": `oidc:user-${n}`, "objectRef.namespace": pick(NAMESPACES, n) } }),
];

/** What the index-th rule is in its dialect. */
const nth = <T>(makers: readonly ((n: number) => T)[], index: number): T =>
  makers[index % makers.length](Math.floor(index / makers.length));

const DIALECTS: readonly { file: string; write(indices: readonly number[]): string }[] = [
  {
    file: "kubesphere.json",
    write: (indices) =>
      JSON.stringify({
        apiVersion: "auditing.kubesphere.io/v1alpha1",
        kind: "Rule",
        metadata: { name: "bench", labels: { type: "alerting" } },
        spec: {
          rules: indices.map((index) => ({
            name: `bench-${index}`,
            type: "rule",
            desc: "Made by the bench.",
            condition: nth(KUBESPHERE, index),
            enable: true,
            priority: "WARNING",
            output: "${User.username} ${Verb} ${ObjectRef.Resource} ${ObjectRef.Name}",
          })),
        },
      }),
  },
  {
    file: "falco.yaml",
    write: (indices) =>
      JSON.stringify(
        indices.map((index) => ({
          rule: `Bench ${index}`,
          desc: "Made by the bench.",
          condition: nth(FALCO, index),
          output: "made by the bench (user=%ka.user.name verb=%ka.verb)",
          priority: "WARNING",
          source: "k8s_audit",
        })),
      ),
  },
  {
    file: "sigma.yaml",
    write: (indices) =>
      indices
        .map((index) =>
          JSON.stringify({
            title: `Bench ${index}`,
            id: `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
            status: "stable",
            logsource: { product: "kubernetes", service: "audit" },
            detection: { ...nth(SIGMA, index), condition: "selection" },
            level: "high",
          }),
        )
        .join("\n---\n"),
  },
];
