import type { KubernetesObject, StageHost, Watched } from "../../../src/plugin/index.js";

/** What is known of a namespace. */
export interface NamespaceFacts {
  /** "" if it belongs to none. */
  readonly workspace: string;
  readonly devops: string;
  /** Epoch milliseconds from which on this is known to be so; before, it may have been something else. */
  readonly since: number;
}

export interface NamespaceLabels {
  workspace: string;
  devops: string;
}

/** Milliseconds that a namespace is remembered after it is deleted: its last events are still to come. */
const REMEMBERED = 3_600_000;
/** Most of them. */
const MAX_REMEMBERED = 10_000;

type Labels = Pick<NamespaceFacts, "workspace" | "devops"> & { created: number };

/** The namespaces of a cluster, as its API server tells of them. */
export class LiveNamespaces {
  readonly #facts = new Map<string, NamespaceFacts>();
  /** When namespaces were deleted, oldest first. */
  readonly #deleted = new Map<string, number>();
  readonly #now: () => number;
  #watched: Watched<Labels> | undefined;

  /** @param now epoch milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Begins to watch. Rejects with AUDITSHIP_KUBERNETES. */
  async open(host: Pick<StageHost, "watch">, labels: NamespaceLabels): Promise<Watched<Labels>> {
    const watched = await host.watch({
      path: "/api/v1/namespaces",
      metadataOnly: true,
      pick: (namespace) => pick(namespace, labels),
    });
    watched.onChange = (name, item) => this.change(name, item);
    this.#watched = watched;
    return watched;
  }

  /** Undefined if it was never heard of. */
  find(name: string): NamespaceFacts | undefined {
    return this.#facts.get(name);
  }

  close(): void {
    this.#watched?.close();
  }

  /** A namespace is new, changed, or gone. */
  change(name: string, labels: Labels | undefined): void {
    if (!labels) {
      this.#deleted.delete(name);
      this.#deleted.set(name, this.#now());
      this.#forget();
      return;
    }
    this.#deleted.delete(name);
    const before = this.#facts.get(name);
    const { workspace, devops, created } = labels;
    if (before && before.workspace === workspace && before.devops === devops && before.since >= created) return;
    // One that is made while we watch has had these labels from its first moment, as far as anybody can tell.
    const isNew = before === undefined || before.since < created;
    const since = isNew && this.#follows(created) ? created : this.#now();
    this.#facts.set(name, { workspace, devops, since });
  }

  /** True if it was made within the last seconds. */
  #follows(created: number): boolean {
    return this.#now() - created < FRESH;
  }

  #forget(): void {
    for (const [name, time] of this.#deleted) {
      if (this.#deleted.size <= MAX_REMEMBERED && time + REMEMBERED > this.#now()) return;
      this.#deleted.delete(name);
      this.#facts.delete(name);
    }
  }
}

/** Milliseconds after its making within which a namespace's labels are taken for those that it was made with. */
const FRESH = 10_000;

function pick({ metadata: { labels = {}, creationTimestamp } }: KubernetesObject, names: NamespaceLabels): Labels {
  const of = (label: string) => (Object.hasOwn(labels, label) ? labels[label] : "");
  return {
    workspace: of(names.workspace),
    devops: of(names.devops),
    created: Date.parse(creationTimestamp ?? "") || 0,
  };
}
