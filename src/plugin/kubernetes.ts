/** What is read of any object of the API server. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface KubernetesObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

export interface WatchOptions<Item> {
  /** `/api/v1/namespaces`. */
  path: string;
  /** Ask for the objects' metadata only. */
  metadataOnly?: boolean;
  /** What is kept of an object: as little as is needed. */
  pick(object: KubernetesObject): Item;
}

/** The objects at a path as they are now, followed for as long as it is open. */
export interface Watched<Item> {
  /** By `namespace/name`, or by name where there is no namespace. */
  readonly items: ReadonlyMap<string, Item>;
  /** Called for each object that is new or changed (`item`) or gone (undefined), also by the first list. */
  onChange: (key: string, item: Item | undefined) => void;
  /** Resolves when the first list is there. */
  readonly synced: Promise<void>;
  close(): void;
}
