import { setTimeout as sleep } from "node:timers/promises";
import {
  backoff,
  type KubernetesObject,
  type Logger,
  type Meter,
  type Watched,
  type WatchOptions,
} from "../plugin/index.js";
import { type KubernetesClient, KubernetesError } from "./client.js";

export interface InformerOptions<Item> extends WatchOptions<Item> {
  log: Logger;
  meter: Meter;
  /** Aborted when the agent stops. */
  signal: AbortSignal;
  /** In [0, 1); replaced by tests. */
  random?: () => number;
}

/** What a watch says. */
interface WatchEvent {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  object: KubernetesObject & { code?: number };
}

interface List {
  metadata: { resourceVersion: string; continue?: string };
  items: KubernetesObject[] | null;
}

/** Objects in one page of a list. */
const PAGE = "500";
/** Seconds that one watch lasts at least, and the most that is added to it by chance: not all agents ask at once. */
const WATCH = 300;
const WATCH_MORE = 120;
/** Seconds beyond that, after which a watch that says nothing is taken for dead. */
const SILENCE = 30;
/** Milliseconds: a watch that ends sooner is one that somebody cuts. */
const SHORT = 1000;
const RETRY = { initial: 500, max: 60_000 };
const METADATA = "application/json;as=PartialObjectMetadata";

/**
 * The objects at a path of the API server as they are now: listed, then watched from the list's resource version on, with
 * bookmarks; listed anew where the server no longer knows that version (410). Never rejects: it tries again for ever, with
 * jitter, and keeps what it knew.
 */
export class Informer<Item> implements Watched<Item> {
  readonly items = new Map<string, Item>();
  onChange: (key: string, item: Item | undefined) => void = () => {};
  readonly synced: Promise<void>;
  #synced!: () => void;
  #complaint = "";
  readonly #client: KubernetesClient;
  readonly #options: InformerOptions<Item>;
  readonly #closed = new AbortController();
  readonly #signal: AbortSignal;

  constructor(client: KubernetesClient, options: InformerOptions<Item>) {
    this.#client = client;
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#closed.signal]);
    this.synced = new Promise((resolve) => {
      this.#synced = resolve;
    });
    options.meter.set("auditship_kubernetes_synced", 0, options.path);
    void this.#run();
  }

  close(): void {
    this.#closed.abort();
  }

  async #run(): Promise<void> {
    const signal = this.#signal;
    let version: string | undefined;
    for (let attempt = 0; !signal.aborted; ) {
      try {
        version ??= await this.#list();
        const began = performance.now();
        version = await this.#watch(version);
        if (performance.now() - began > SHORT) attempt = 0;
        else await this.#pause(attempt++);
      } catch (error) {
        if (signal.aborted) return;
        // A version that is too old is no trouble, but asking for lists without a pause might be.
        if (error instanceof KubernetesError && error.status === 410) version = undefined;
        else this.#complain(error as Error);
        await this.#pause(attempt++);
      }
    }
  }

  async #pause(attempt: number): Promise<void> {
    await sleep(backoff(attempt, RETRY, this.#options.random), undefined, { signal: this.#signal }).catch(() => {});
  }

  /** Takes over what is there. @returns the version to watch from */
  async #list(): Promise<string> {
    const { path, metadataOnly, meter } = this.#options;
    const signal = this.#signal;
    const accept = metadataOnly ? `${METADATA}List;v=v1;g=meta.k8s.io` : undefined;
    const seen = new Set<string>();
    let page: string | undefined;
    let version: string;
    do {
      const query: Record<string, string> = { limit: PAGE, ...(page && { continue: page }) };
      const list: List = await this.#client.json<List>(path, { query, accept, signal });
      for (const object of list.items ?? []) seen.add(this.#take(object));
      version = list.metadata.resourceVersion;
      page = list.metadata.continue;
    } while (page);
    for (const key of [...this.items.keys()]) if (!seen.has(key)) this.#drop(key);
    this.#synced();
    meter.add("auditship_kubernetes_lists_total", 1, path);
    return version;
  }

  /** Follows what changes until the server ends the watch. @returns the version to go on from */
  async #watch(from: string): Promise<string> {
    const { path, metadataOnly, random = Math.random } = this.#options;
    const seconds = Math.floor(WATCH + random() * WATCH_MORE);
    const query = {
      watch: "1",
      resourceVersion: from,
      allowWatchBookmarks: "true",
      timeoutSeconds: String(seconds),
    };
    const accept = metadataOnly ? `${METADATA};v=v1;g=meta.k8s.io` : undefined;
    const alive = AbortSignal.any([this.#signal, AbortSignal.timeout((seconds + SILENCE) * 1000)]);
    let version = from;
    const lines = await this.#client.lines(path, { query, accept, signal: alive });
    this.#answered();
    for await (const line of lines) {
      const { type, object } = JSON.parse(line) as WatchEvent;
      if (type === "ERROR") throw new KubernetesError(object.code ?? 500, `watch of ${path}: ${object.code}`);
      if (type === "ADDED" || type === "MODIFIED") this.#take(object);
      else if (type === "DELETED") this.#drop(keyOf(object));
      version = object.metadata.resourceVersion ?? version;
    }
    return version;
  }

  #take(object: KubernetesObject): string {
    const key = keyOf(object);
    const item = this.#options.pick(object);
    this.items.set(key, item);
    this.onChange(key, item);
    return key;
  }

  #drop(key: string): void {
    if (this.items.delete(key)) this.onChange(key, undefined);
  }

  #answered(): void {
    const { log, meter, path } = this.#options;
    meter.set("auditship_kubernetes_synced", 1, path);
    if (this.#complaint !== "") log.info({ path }, "The API server answers again.");
    this.#complaint = "";
  }

  /** Says each trouble once. */
  #complain({ message }: Error): void {
    const { log, meter, path } = this.#options;
    meter.set("auditship_kubernetes_synced", 0, path);
    meter.add("auditship_kubernetes_errors_total", 1, path);
    if (message === this.#complaint) return;
    this.#complaint = message;
    log.warn({ path, error: message }, "The API server cannot be watched; what is known of it stays. Trying again.");
  }
}

const keyOf = ({ metadata: { namespace, name } }: KubernetesObject): string =>
  namespace === undefined ? name : `${namespace}/${name}`;
