import type { Cluster } from "../kubernetes/cluster.js";
import { type AuditshipError, type Watched, within } from "../plugin/index.js";
import { type LoadedRules, type LoadOptions, loadRules } from "../rules/index.js";
import { collectionOf, nameOf, type SeenResource, seenResource } from "./live-resource.js";

/** Milliseconds that a start waits for the first lists. */
const PATIENCE = 3000;
/** Milliseconds from a change to its report, so that changes applied together come together. */
const SETTLE = 50;

/** What became of the version of a resource that was seen last. */
export interface Verdict {
  readonly resource: SeenResource;
  /** What is wrong with it; empty if it is in force. */
  readonly problems: readonly AuditshipError[];
  /** True if the last version with nothing wrong is in force instead. */
  readonly fellBack: boolean;
}

/** Rules with what became of those that are watched. */
export interface RulesRead extends LoadedRules {
  readonly verdicts: readonly Verdict[];
}

/** The Rule and Webhook resources of a cluster. */
export class LiveRules {
  readonly #watches: { kind: SeenResource["kind"]; watched: Watched<SeenResource> }[] = [];
  /** What was loaded last, by the resource's name. */
  readonly #versions = new Map<string, string>();
  /** The last version of each that had nothing wrong. */
  readonly #accepted = new Map<string, SeenResource>();
  #onChange: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;

  /** Watches the Rule resources of these namespaces, and Webhook resources. Rejects with AUDITSHIP_KUBERNETES. */
  static async open(cluster: Pick<Cluster, "watch">, namespaces: readonly string[]): Promise<LiveRules> {
    const live = new LiveRules();
    const kinds = [...new Set(namespaces)].map((namespace) => ({ kind: "Rule" as const, namespace }));
    for (const { kind, namespace } of [...kinds, { kind: "Webhook" as const, namespace: undefined }]) {
      const path = collectionOf(kind, namespace);
      const watched = await cluster.watch({ path, pick: (object) => seenResource(kind, object) });
      live.#watches.push({ kind, watched });
    }
    await within(PATIENCE, Promise.all(live.#watches.map(({ watched }) => watched.synced)));
    return live;
  }

  /** Calls `onChange` soon after a resource differs from what was loaded. */
  follow(onChange: () => void): void {
    this.#onChange = onChange;
    for (const { kind, watched } of this.#watches) {
      watched.onChange = (key, item) => {
        if (this.#versions.get(nameOf(kind, key)) !== item?.version) this.#changed();
      };
    }
    const seen = this.#seen();
    const isSame = seen.every(({ name, version }) => this.#versions.get(name) === version);
    if (!isSame || seen.length !== this.#versions.size) this.#changed();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#onChange = () => {};
    for (const { watched } of this.#watches) watched.close();
  }

  /**
   * Loads files and watched resources. A resource with an error is replaced by its last version without one; if there is none, the
   * parts without errors run.
   */
  async load(options: LoadOptions): Promise<RulesRead> {
    const seen = this.#seen();
    this.#versions.clear();
    for (const { name, version } of seen) this.#versions.set(name, version);
    const problems = new Map<string, AuditshipError[]>(seen.map(({ name }) => [name, []]));
    const chosen = new Map(seen.map((resource) => [resource.name, resource]));
    const refused: AuditshipError[] = [];
    let files = options.files;
    for (;;) {
      const loaded = await loadRules({ ...options, files, resources: [...chosen.values()] });
      files = loaded.files;
      const fallBack = new Set<string>();
      for (const error of loaded.refused) {
        const { file = "" } = error.place;
        const accepted = this.#accepted.get(file);
        problems.get(file)?.push(error);
        if (accepted && chosen.get(file)?.version !== accepted.version) fallBack.add(file);
      }
      if (fallBack.size === 0) {
        const verdicts = seen.map((resource) => ({
          resource,
          problems: distinct(problems.get(resource.name)!),
          fellBack: chosen.get(resource.name) !== resource,
        }));
        return { ...loaded, refused: distinct([...refused, ...loaded.refused]), verdicts };
      }
      for (const name of fallBack) chosen.set(name, this.#accepted.get(name)!);
      refused.push(...loaded.refused.filter(({ place: { file = "" } }) => fallBack.has(file)));
    }
  }

  /** For rules that were read but cannot be put in force: the same, with the error for each version that is not in force. */
  refuse(read: RulesRead, error: AuditshipError): RulesRead {
    const isInForce = ({ name, version }: SeenResource) => this.#accepted.get(name)?.version === version;
    const verdicts = read.verdicts.map((verdict) =>
      verdict.problems.length > 0 || isInForce(verdict.resource)
        ? verdict
        : { ...verdict, problems: [error], fellBack: true },
    );
    return { ...read, verdicts };
  }

  /** What was read is in force: versions without problems are what later ones fall back to. */
  accept(verdicts: readonly Verdict[]): void {
    const there = new Set(verdicts.map(({ resource }) => resource.name));
    for (const name of [...this.#accepted.keys()]) if (!there.has(name)) this.#accepted.delete(name);
    for (const { resource, problems } of verdicts) {
      if (problems.length === 0) this.#accepted.set(resource.name, resource);
    }
  }

  /** In the order of their names, whenever they came. */
  #seen(): SeenResource[] {
    const seen = this.#watches.flatMap(({ watched }) => [...watched.items.values()]);
    return seen.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#onChange();
    }, SETTLE);
  }
}

/** Without those that say the same. */
const distinct = (errors: readonly AuditshipError[]): AuditshipError[] => [
  ...new Map(errors.map((error) => [error.line(), error])).values(),
];
