import {
  type Batch,
  defineStage,
  Field,
  Flag,
  NUMBERED,
  ROW_HEADER,
  ROW_WORDS,
  type Stage,
  type StageHost,
  sameBytes,
  within,
} from "../../src/plugin/index.js";
import { LiveNamespaces, type NamespaceFacts } from "./workspace/namespaces.js";

/** What is known of a namespace, undefined if nothing is. */
export type FactsOf = (namespace: string) => NamespaceFacts | undefined;

/** Milliseconds that a start waits for the first list of namespaces. */
const PATIENCE = 3000;

/** Annotates events with the KubeSphere workspace and DevOps project of their namespace. */
export default defineStage({
  kind: "stage",
  name: "workspace",
  annotates: ["workspace", "devops", "workspaceSince"],
  options: (zod) =>
    zod.strictObject({
      static: zod
        .record(zod.string(), zod.string())
        .default({})
        .describe(
          "Workspaces by namespace, for clusters without KubeSphere's labels. They take precedence over what is watched.",
        ),
      watch: zod
        .boolean()
        .default(false)
        .describe("Watch the labels of namespaces in the API server. Needs permission to list and watch namespaces."),
      label: zod.string().default("kubesphere.io/workspace").describe("Label that names a namespace's workspace."),
      devopsLabel: zod
        .string()
        .default("kubesphere.io/devopsproject")
        .describe("Label that names a namespace's DevOps project."),
    }),
  async create({ static: names, watch, label, devopsLabel }, host) {
    const given = new Map(
      Object.entries(names).map(([namespace, workspace]) => [namespace, { workspace, devops: "", since: 0 }]),
    );
    if (!watch) {
      if (given.size === 0) return { run() {} };
      return new WorkspaceStage((namespace) => given.get(namespace), host);
    }
    const live = new LiveNamespaces(host.now);
    const watched = await live.open(host, { workspace: label, devops: devopsLabel });
    await within(PATIENCE, watched.synced);
    return new WorkspaceStage(
      (namespace) => given.get(namespace) ?? live.find(namespace),
      host,
      () => live.close(),
    );
  },
});

/** Asks `factsOf` for the namespace of every event, and counts those of which it knows nothing. */
export class WorkspaceStage implements Stage {
  readonly #names = new NameCache();

  constructor(
    private readonly factsOf: FactsOf,
    private readonly host: Pick<StageHost, "meter">,
    readonly close?: () => void,
  ) {}

  run(batch: Batch): void {
    const { bytes, table } = batch;
    let unknown = 0;
    for (let row = 0; row < batch.count; row++) {
      if (batch.flags(row) & (Flag.invalid | Flag.dropped)) continue;
      const fields = row * ROW_WORDS + ROW_HEADER;
      const itself = isNamespace(bytes, table, fields);
      const at = fields + 2 * (itself ? Field.objectRefName : Field.objectRefNamespace);
      // Inside the quotes; an empty string is no namespace.
      const start = table[at] + 1;
      const end = table[at + 1] - 1;
      if (end <= start || hasOwn(table, fields)) continue;
      const name = itself ? decoded(bytes, start, end) : this.#names.get(batch, row, start, end);
      const facts = this.factsOf(name);
      if (facts === undefined) unknown++;
      else annotate(batch, row, facts);
    }
    if (unknown > 0) this.host.meter.add("auditship_unknown_workspaces_total", unknown, batch.source);
  }
}

/** True if the event says itself which workspace it belongs to, as KubeSphere's do. */
function hasOwn(table: Uint32Array, fields: number): boolean {
  const at = fields + 2 * Field.workspace;
  return table[at + 1] - table[at] > 2;
}

function annotate(batch: Batch, row: number, { workspace, devops, since }: NamespaceFacts): void {
  if (workspace !== "") batch.annotate(row, "workspace", workspace);
  if (devops !== "") batch.annotate(row, "devops", devops);
  if (since > 0 && batch.at(row).timeMs() < since) {
    batch.annotate(row, "workspaceSince", new Date(since).toISOString());
  }
}

const NAMESPACES = Buffer.from('"namespaces"');

/** Whether the event is about a namespace itself, which objectRef then names by `name`. */
function isNamespace(bytes: Uint8Array, table: Uint32Array, fields: number): boolean {
  const start = table[fields + 2 * Field.objectRefResource];
  const end = table[fields + 2 * Field.objectRefResource + 1];
  return sameBytes(bytes, start, end, NAMESPACES);
}

/** Where the number of a namespace stands in a row of numbers. */
const NUMBER = NUMBERED.indexOf(Field.objectRefNamespace);

/** Names of namespaces by their numbers, so that one that was seen before is not decoded again. */
class NameCache {
  #names: string[] = [];
  #numbering: object = this;

  /** The name of the row's namespace, which stands in [start, end). Taken as it stands: a real one holds no escapes. */
  get({ bytes, numbers, numbering }: Batch, row: number, start: number, end: number): string {
    if (numbering !== this.#numbering) this.#names = [];
    this.#numbering = numbering;
    const number = numbers[row * NUMBERED.length + NUMBER];
    if (number === 0) return decoded(bytes, start, end);
    this.#names[number] ??= decoded(bytes, start, end);
    return this.#names[number];
  }
}

const decoded = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
