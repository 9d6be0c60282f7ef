import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { type LoadedRules, type LoadOptions, loadRules } from "../../src/rules/index.js";
import { batchOf } from "./events.js";

/** Where the rule files of a test stand. */
export let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-load-"));
});
afterEach(() => rm(directory, { recursive: true }));

/** Writes rule files and loads them all. */
export async function load(files: Record<string, string>, options: Partial<LoadOptions> = {}): Promise<LoadedRules> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), text);
  }
  return loadRules({ paths: [directory], archivingPriority: "DEBUG", alertingPriority: "WARNING", ...options });
}

/** A Rule resource with items in YAML's flow style, one per line. */
export function resource(items: string[], { name = "cr", type = "alerting" } = {}): string {
  return [
    "apiVersion: auditing.kubesphere.io/v1alpha1",
    "kind: Rule",
    `metadata: { name: ${name}, labels: { type: ${type} } }`,
    "spec:",
    "  rules:",
    ...items.map((item) => `    - ${item}`),
    "",
  ].join("\n");
}

export function rule(name: string, condition: string, more = ""): string {
  return `{ name: ${name}, type: rule, condition: '${condition}', enable: true, priority: WARNING${more && `, ${more}`} }`;
}

/** Names of the rules that match an event, each with its message and actions. */
export function run(
  loaded: LoadedRules,
  event: unknown,
): { rule: string; message: string; actions: readonly string[] }[] {
  const batch = batchOf(event);
  loaded.set.evaluate(batch);
  const view = batch.at(0);
  return batch.matches(0).map((match) => ({ rule: match.rule, message: match.message(view), actions: match.actions }));
}

export const names = (loaded: LoadedRules, event: unknown): string[] => run(loaded, event).map((match) => match.rule);
export const lines = (list: readonly { line(): string }[]): string[] =>
  list.map((entry) => entry.line().replace(`${directory}/`, ""));

export const EVENT = {
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  level: "Metadata",
  auditID: "x",
  stage: "ResponseComplete",
  requestURI: "/api/v1/namespaces/shop/pods",
  verb: "create",
  user: { username: "alice", groups: ["dev", "ops"] },
  objectRef: { resource: "pods", namespace: "shop", name: "web:0:main" },
  responseStatus: { code: 201 },
  annotations: { "authorization.k8s.io/decision": "allow" },
};
