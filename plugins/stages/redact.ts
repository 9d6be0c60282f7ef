import { AuditshipError, type Batch, defineStage, type Stage, type StageHost } from "../../src/plugin/index.js";
import { Mark, Marks } from "./redact/envelope.js";
import { EventRedaction } from "./redact/event.js";
import { Hasher, KeyFile, ownKey, type Scope } from "./redact/hash.js";
import { PROFILE_NAMES, type Profile } from "./redact/profile.js";
import { type Pseudonymize, Pseudonyms } from "./redact/pseudonyms.js";
import { Resources } from "./redact/resources.js";
import { ACTIONS, Rules } from "./redact/rules.js";
import { Search } from "./redact/search.js";

/** Replaces secrets by keyed hashes, for everyone who reads the event from here on. What and where: docs/redaction.md. */
export default defineStage({
  kind: "stage",
  name: "redact",
  annotates: ["redaction", "csrSubject", "csrNames"],
  options: (zod) =>
    zod.strictObject({
      profile: zod
        .enum(PROFILE_NAMES)
        .default("default")
        .describe("What is redacted; `strict` reduces bodies to names and kinds, `off` leaves all but own rules."),
      configMaps: zod.boolean().default(false).describe("Redact the values of ConfigMaps like those of Secrets."),
      rules: zod
        .array(
          zod.strictObject({
            resources: zod
              .array(zod.string().min(1))
              .min(1)
              .describe("Of which resources: `widgets`, `widgets.example.com`, `*.example.com` or `*`."),
            paths: zod
              .array(zod.string().min(1))
              .min(1)
              .describe(
                'Paths in their objects: `spec.users[*].password`, `metadata.annotations["a.b/c"]`, `spec..token`.',
              ),
            action: zod
              .enum(ACTIONS)
              .default("hash")
              .describe("`hash` it, `mask` it as `***`, `drop` the member, or `truncate` the text."),
            keep: zod.int().min(0).default(16).describe("Characters that `truncate` keeps."),
          }),
        )
        .default([])
        .describe("What else is redacted in bodies."),
      pseudonymize: zod
        .strictObject({
          users: zod
            .boolean()
            .default(false)
            .describe(
              "Replace names and uids of users by hashes; equal names have equal hashes. `system:` users are kept.",
            ),
          ips: zod
            .boolean()
            .default(false)
            .describe("Replace source addresses by others in `fd00::/8`; equal addresses stay equal."),
        })
        .prefault({}),
      hash: zod
        .strictObject({
          keyFile: zod
            .string()
            .optional()
            .describe(
              "File with the key of the hashes, the same on all nodes; read again when it changes. Default: a key made for this node only.",
            ),
          scope: zod
            .enum(["namespace", "cluster"])
            .default("namespace")
            .describe("Whether equal values have equal hashes within a namespace only, or everywhere."),
        })
        .prefault({}),
    }),
  create({ profile, configMaps, rules, pseudonymize, hash: { keyFile, scope } }, host) {
    const file = keyFile === undefined ? undefined : new KeyFile(host.resolve(keyFile));
    if (profile === "off")
      host.log.warn({}, "redact has profile off: secrets in audit events leave this node in clear text");
    const policy = { profile, configMaps, rules: compiled(rules), pseudonymize, scope };
    return new RedactStage(file?.key ?? ownKey(host), policy, host, { keyFile: file });
  },
});

function compiled(rules: ConstructorParameters<typeof Rules>[0]): Rules {
  try {
    return new Rules(rules);
  } catch (error) {
    throw new AuditshipError("AUDITSHIP_CONFIG_VALUE", `redact: rules: ${(error as Error).message}.`);
  }
}

export interface RedactPolicy {
  readonly profile: Profile;
  /** Whether ConfigMaps are redacted as Secrets are. */
  readonly configMaps: boolean;
  readonly rules: Rules;
  readonly pseudonymize: Pseudonymize;
  readonly scope: Scope;
}

/** Milliseconds between two looks whether the key has been replaced. */
const KEY_CHECK = 5000;

export class RedactStage implements Stage {
  /** Nothing unredacted may leave: a batch that fails here goes no further. */
  readonly required = true;
  readonly #resources: Resources;
  readonly #marks: Marks;
  readonly #search: Search;
  #event: EventRedaction;
  readonly #values = new Map<string, number>();
  readonly #bodies = new Map<string, number>();
  readonly #keyFile: KeyFile | undefined;
  #keyChecked: number;

  /**
   * @param keyFile where `key` is from, if it may be replaced
   * @param searchFirst false looks at everything: the search must make no difference, and a test holds it to that
   */
  constructor(
    key: Buffer,
    private readonly policy: RedactPolicy,
    private readonly host: Pick<StageHost, "meter" | "openTape" | "log" | "now">,
    { keyFile, searchFirst = true }: { keyFile?: KeyFile | undefined; searchFirst?: boolean } = {},
  ) {
    this.#resources = new Resources(policy.configMaps);
    const isStrict = policy.profile === "strict";
    this.#marks = new Marks(this.#resources, searchFirst ? alwaysLookedAt(policy) : Mark.everything, isStrict);
    this.#search = new Search(policy.configMaps, searchFirst);
    this.#event = this.#withKey(key);
    this.#keyFile = keyFile;
    this.#keyChecked = host.now();
  }

  run(batch: Batch): void {
    const { profile, rules, pseudonymize } = this.policy;
    const isOff = profile === "off";
    if (isOff && rules.size === 0 && !pseudonymize.users && !pseudonymize.ips) return;
    this.#checkKey();
    // Own rules and names go by where a value stands, not by what it holds.
    const traces = isOff ? this.#search.noTraces(batch) : this.#search.traces(batch);
    const marks = this.#marks.find(batch, traces);
    const { count } = batch;
    for (let row = 0; row < count; row++) {
      if (marks[row] !== 0) this.#event.redact(batch, traces, row, marks[row]);
    }
    this.#report("auditship_redacted_values_total", this.#values);
    this.#report("auditship_redacted_bodies_total", this.#bodies);
  }

  #withKey(key: Buffer): EventRedaction {
    const { profile, configMaps, rules, pseudonymize, scope } = this.policy;
    const hasher = new Hasher(key, scope);
    const count = (kind: string) => increment(this.#values, kind);
    const tools = { hasher, search: this.#search, openTape: this.host.openTape, configMaps, count };
    const renames = pseudonymize.users || pseudonymize.ips;
    const pseudonyms = renames ? new Pseudonyms(hasher, pseudonymize, count) : undefined;
    return new EventRedaction(tools, this.#resources, { profile, rules, pseudonyms }, (reason) =>
      increment(this.#bodies, reason),
    );
  }

  /** From the next batch on hashes are made with a key that has been put in the old one's place. */
  #checkKey(): void {
    const now = this.host.now();
    if (this.#keyFile === undefined || now - this.#keyChecked < KEY_CHECK) return;
    this.#keyChecked = now;
    try {
      if (!this.#keyFile.refresh()) return;
      this.#event = this.#withKey(this.#keyFile.key);
      this.host.log.info({}, "redact: the hash key has been replaced; hashes carry the new key's id from now on");
    } catch (error) {
      this.host.log.warn(
        { error: (error as Error).message },
        "redact: the hash key cannot be read anew; the old one stays",
      );
    }
  }

  #report(metric: string, counts: Map<string, number>): void {
    for (const [label, count] of counts) this.host.meter.add(metric, count, label);
    counts.clear();
  }
}

/** {@link Mark} bits: what nothing has to be found in. */
function alwaysLookedAt({ profile, rules, pseudonymize }: RedactPolicy): number {
  return (
    (profile !== "default" || rules.size > 0 ? Mark.bodies : 0) |
    (pseudonymize.users || pseudonymize.ips ? Mark.names : 0)
  );
}

function increment(counts: Map<string, number>, label: string): void {
  counts.set(label, (counts.get(label) ?? 0) + 1);
}
