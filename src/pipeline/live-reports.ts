import { createHash } from "node:crypto";
import { type KubernetesClient, KubernetesError } from "../kubernetes/client.js";
import type { Cluster } from "../kubernetes/cluster.js";
import type { Logger, Meter } from "../plugin/index.js";
import type { RuleWarning } from "../rules/index.js";
import { API_VERSION, type Condition, collectionOf, type SeenResource } from "./live-resource.js";
import type { RulesRead, Verdict } from "./live-rules.js";

/** Most Kubernetes Events about one version of a resource; its status says more. */
const MAX_EVENTS = 20;
/** Longest message that Kubernetes accepts. */
const MAX_MESSAGE = 1024;

interface ReportContext {
  cluster: Pick<Cluster, "client">;
  /** Name of the node, which Kubernetes Events show. */
  node: string;
  log: Logger;
  meter: Meter;
}

interface Report {
  readonly verdict: Verdict;
  /** Warnings that are worth a Kubernetes Event. */
  readonly warnings: readonly RuleWarning[];
}

/**
 * Reports what became of Rule and Webhook resources to whoever wrote them: by Kubernetes Events for what is refused, and in the
 * resource's status, if its CRD has one. A report that fails is logged once, and stops nothing.
 */
export class LiveReports {
  readonly #context: ReportContext;
  /** Reports still to be made, by the resource's name. */
  readonly #waiting = new Map<string, Report>();
  /** Messages and statuses that were reported, by the resource's name. */
  readonly #events = new Map<string, ReadonlySet<string>>();
  readonly #statuses = new Map<string, string>();
  readonly #complaints = new Set<string>();
  #working: Promise<void> | undefined;

  constructor(context: ReportContext) {
    this.#context = context;
  }

  /** Reports what became of all resources, unless it was reported before. Resolves when done. */
  async tell({ verdicts, selectors }: Pick<RulesRead, "verdicts" | "selectors">): Promise<void> {
    for (const verdict of verdicts) {
      const { name } = verdict.resource;
      this.#waiting.set(name, { verdict, warnings: selectors.filter(({ place }) => place.file === name) });
    }
    const there = new Set(verdicts.map(({ resource }) => resource.name));
    for (const told of [this.#waiting, this.#events, this.#statuses]) {
      for (const name of [...told.keys()]) if (!there.has(name)) told.delete(name);
    }
    if (this.#waiting.size > 0) this.#working ??= this.#work();
    await this.#working;
  }

  /** Goes on until nothing waits, and is over in the same moment: what is told from then on needs another. */
  async #work(): Promise<void> {
    try {
      for (const [name, report] of this.#waiting) {
        this.#waiting.delete(name);
        await this.#tellEvents(report);
        await this.#tellStatus(report.verdict);
      }
    } finally {
      this.#working = undefined;
    }
  }

  async #tellEvents({ verdict: { resource, problems }, warnings }: Report): Promise<void> {
    const messages = [
      ...problems.map(({ message, code }) => ({ reason: "Refused", message: `${message} (${code})` })),
      ...warnings.map(({ message }) => ({ reason: "SelectsNothing", message })),
    ].slice(0, MAX_EVENTS);
    const told = this.#events.get(resource.name);
    this.#events.set(resource.name, new Set(messages.map(({ message }) => message)));
    for (const { reason, message } of messages) {
      if (told?.has(message)) continue;
      await this.#send("event", (client) => this.#postEvent(client, resource, reason, message));
    }
  }

  /** The same refusal has the same name, whichever agent reports it: 409 if one already has. */
  async #postEvent(client: KubernetesClient, { kind, metadata }: SeenResource, reason: string, message: string) {
    const namespace = metadata.namespace ?? "default";
    const hash = createHash("sha256").update(`${metadata.uid} ${message}`).digest("hex").slice(0, 16);
    const now = new Date().toISOString();
    const body = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${metadata.name.slice(0, 200)}.${hash}`, namespace },
      involvedObject: {
        apiVersion: API_VERSION,
        kind,
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
      },
      type: "Warning",
      reason,
      message: cut(message),
      source: { component: "auditship", host: this.#context.node },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    };
    await unless(409, client.json(`/api/v1/namespaces/${namespace}/events`, { method: "POST", body }));
  }

  async #tellStatus(verdict: Verdict): Promise<void> {
    const { name, kind, metadata, status } = verdict.resource;
    const condition = conditionOf(verdict);
    const wanted = JSON.stringify([metadata.generation, condition]);
    if (this.#statuses.get(name) === wanted) return;
    this.#statuses.set(name, wanted);
    const is = status?.conditions.find(({ type }) => type === condition.type);
    if (status?.observedGeneration === metadata.generation && is && isSame(is, condition)) return;
    const observedGeneration = metadata.generation;
    const changed = { ...condition, observedGeneration, lastTransitionTime: new Date().toISOString() };
    const path = `${collectionOf(kind, metadata.namespace)}/${metadata.name}/status`;
    const body = { status: { observedGeneration, conditions: [changed] } };
    const contentType = "application/merge-patch+json";
    // KubeSphere's own CRDs have no status, and what is deleted needs none.
    await this.#send("status", (client) => unless(404, client.json(path, { method: "PATCH", body, contentType })));
  }

  async #send(what: "event" | "status", send: (client: KubernetesClient) => Promise<void>): Promise<void> {
    const { cluster, log, meter } = this.#context;
    try {
      await send(await cluster.client());
      meter.add("auditship_kubernetes_reports_total", 1, what, "ok");
    } catch (error) {
      const { message } = error as Error;
      const sort = error instanceof KubernetesError ? `${what} ${error.status}` : what;
      meter.add("auditship_kubernetes_reports_total", 1, what, "failed");
      if (this.#complaints.has(sort)) return;
      this.#complaints.add(sort);
      log.warn(
        { what, error: message },
        "Cannot report in the cluster what became of a resource; see the log for that.",
      );
    }
  }
}

function conditionOf({ problems, fellBack }: Verdict): Condition {
  const type = "Accepted";
  if (problems.length === 0) return { type, status: "True", reason: "Accepted", message: "" };
  const what = fellBack
    ? "The last version without errors stays in force."
    : "What has no errors is in force, the rest is left out.";
  const errors = problems.map(({ message }) => message).join(" ");
  return { type, status: "False", reason: "Refused", message: cut(`${what} ${errors}`) };
}

const isSame = (a: Condition, b: Condition): boolean =>
  a.status === b.status && a.reason === b.reason && a.message === b.message;

const cut = (text: string): string => (text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE - 1)}…` : text);

/** Takes an answer of this status for a success. */
async function unless(status: number, asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    if (!(error instanceof KubernetesError && error.status === status)) throw error;
  }
}
