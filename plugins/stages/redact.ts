import { type Batch, defineStage, Flag, type Stage, type StageHost } from "../../src/plugin/index.js";
import { Mark, Marks } from "./redact/envelope.js";
import { EventRedaction } from "./redact/event.js";
import { Hasher, ownKey, readKey } from "./redact/hash.js";
import { Search } from "./redact/search.js";

/** Replaces secrets by keyed hashes, for everyone who reads the event from here on. What and where: docs/redaction.md. */
export default defineStage({
  kind: "stage",
  name: "redact",
  annotates: ["redaction"],
  options: (zod) =>
    zod.strictObject({
      configMaps: zod.boolean().default(false).describe("Redact the values of ConfigMaps as those of Secrets."),
      hash: zod
        .strictObject({
          keyFile: zod
            .string()
            .optional()
            .describe("File with the key of the hashes, the same on all nodes. Default: one made for this node only."),
          scope: zod
            .enum(["namespace", "cluster"])
            .default("namespace")
            .describe("Equal values have equal hashes within a namespace, or everywhere."),
        })
        .prefault({}),
    }),
  create(options, host) {
    const { keyFile, scope } = options.hash;
    const key = keyFile === undefined ? ownKey(host) : readKey(host.resolve(keyFile));
    return new RedactStage(new Hasher(key, scope), options.configMaps, host);
  },
});

export class RedactStage implements Stage {
  /** Nothing unredacted may leave: a batch that fails here goes no further. */
  readonly required = true;
  readonly #marks = new Marks();
  readonly #search: Search;
  readonly #event: EventRedaction;
  readonly #values = new Map<string, number>();
  readonly #bodies = new Map<string, number>();

  /** @param searchFirst false looks at everything: the search must make no difference, and a test holds it to that */
  constructor(
    hasher: Hasher,
    configMaps: boolean,
    private readonly host: Pick<StageHost, "meter" | "openTape">,
    private readonly searchFirst = true,
  ) {
    const count = (kind: string) => increment(this.#values, kind);
    this.#search = new Search(configMaps, searchFirst);
    const tools = { hasher, search: this.#search, openTape: host.openTape, configMaps, count };
    this.#event = new EventRedaction(tools, (reason) => increment(this.#bodies, reason));
  }

  run(batch: Batch): void {
    const traces = this.#search.traces(batch);
    const marks = this.#marks.find(batch, traces);
    for (let row = 0; row < batch.count; row++) {
      if (batch.flags(row) & (Flag.invalid | Flag.dropped)) continue;
      this.#event.redact(batch, traces, row, this.searchFirst ? marks[row] : Mark.everything);
    }
    this.#report("auditship_redacted_values_total", this.#values);
    this.#report("auditship_redacted_bodies_total", this.#bodies);
  }

  #report(metric: string, counts: Map<string, number>): void {
    for (const [label, count] of counts) this.host.meter.add(metric, count, label);
    counts.clear();
  }
}

function increment(counts: Map<string, number>, label: string): void {
  counts.set(label, (counts.get(label) ?? 0) + 1);
}
