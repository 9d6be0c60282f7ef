import {
  type Batch,
  defineStage,
  Field,
  Flag,
  ROW_HEADER,
  ROW_WORDS,
  type Stage,
  type StageHost,
} from "../../src/plugin/index.js";

/** The workspace of a namespace, undefined if it is not known. What an informer gives, or a static map. */
export type WorkspaceOf = (namespace: string) => string | undefined;

/** Annotates events with the KubeSphere workspace of their namespace. */
export default defineStage({
  kind: "stage",
  name: "workspace",
  annotates: ["workspace"],
  options: (zod) =>
    zod.strictObject({
      static: zod
        .record(zod.string(), zod.string())
        .default({})
        .describe("Workspaces by namespace, for clusters without KubeSphere's labels."),
    }),
  create(options, host) {
    const workspaces = new Map(Object.entries(options.static));
    if (workspaces.size === 0) return { run() {} };
    return new WorkspaceStage((namespace) => workspaces.get(namespace), host);
  },
});

/** Asks `workspaceOf` for the namespace of every event, and counts those of which it knows nothing. */
export class WorkspaceStage implements Stage {
  readonly #names = new NameCache();

  constructor(
    private readonly workspaceOf: WorkspaceOf,
    private readonly host: Pick<StageHost, "meter">,
  ) {}

  run(batch: Batch): void {
    const { bytes, table } = batch;
    let unknown = 0;
    for (let row = 0; row < batch.count; row++) {
      if (batch.flags(row) & (Flag.invalid | Flag.dropped)) continue;
      const fields = row * ROW_WORDS + ROW_HEADER;
      const at = fields + 2 * (isNamespace(bytes, table, fields) ? Field.objectRefName : Field.objectRefNamespace);
      // Inside the quotes; an empty string is no namespace.
      const start = table[at] + 1;
      const end = table[at + 1] - 1;
      if (end <= start) continue;
      const workspace = this.workspaceOf(this.#names.get(bytes, start, end));
      if (workspace === undefined) unknown++;
      else batch.annotate(row, "workspace", workspace);
    }
    if (unknown > 0) this.host.meter.add("auditship_unknown_workspaces_total", unknown, batch.source);
  }
}

const NAMESPACES = Buffer.from('"namespaces"');

/** Whether the event is about a namespace itself, which objectRef then names by `name`. */
function isNamespace(bytes: Uint8Array, table: Uint32Array, fields: number): boolean {
  const start = table[fields + 2 * Field.objectRefResource];
  return (
    table[fields + 2 * Field.objectRefResource + 1] - start === NAMESPACES.length && sameAt(bytes, start, NAMESPACES)
  );
}

function sameAt(bytes: Uint8Array, start: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false;
  return true;
}

/** Most names that are kept decoded. */
const MAX_NAMES = 4096;

/** Names by their bytes, so that one that was seen before is not decoded again. Names are taken as they stand: a real one holds no escapes. */
class NameCache {
  readonly #byHash = new Map<number, { bytes: Uint8Array; name: string }>();

  get(bytes: Uint8Array, start: number, end: number): string {
    const hash = fnv1a(bytes, start, end);
    const known = this.#byHash.get(hash);
    if (known !== undefined && known.bytes.length === end - start && sameAt(bytes, start, known.bytes))
      return known.name;
    const copy = Buffer.from(bytes.subarray(start, end));
    const name = copy.toString("utf8");
    if (this.#byHash.size >= MAX_NAMES) this.#byHash.clear();
    this.#byHash.set(hash, { bytes: copy, name });
    return name;
  }
}

/** FNV-1a, 32 bits. */
function fnv1a(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash;
}
