import {
  type Batch,
  type Field,
  Flag,
  type Logger,
  type Meter,
  ROW_HEADER,
  ROW_WORDS,
  Row,
  SPACE,
} from "../plugin/index.js";
import { ABSENT, type Webhook } from "../rules/index.js";

const NULL = Buffer.from("null");
const NO_EVENT = Flag.invalid | Flag.dropped;

/**
 * Applies KubeSphere's Webhook resource to the events that its API server writes, which have capitalised keys: at which level they are
 * kept (`auditLevel`), and whether requests for Kubernetes are among them (`k8sAuditingEnabled` is not true).
 */
export class KubeSphereEvents {
  readonly #log: Logger;
  readonly #meter: Meter;
  #webhook: Webhook | undefined;
  /** Kinds of events that were read so far. */
  #sawKubeSphere = false;
  #sawKubernetes = false;
  #warned = false;

  constructor(log: Logger, meter: Meter) {
    this.#log = log;
    this.#meter = meter;
  }

  /** The resource in force, from the next batch on. */
  use(webhook: Webhook | undefined): void {
    this.#webhook = webhook;
    this.#noteTwice();
  }

  /** Removes what the resource does not want from a batch, before anybody looks at it. Does nothing to a batch that it has been over before. */
  run(batch: Batch): void {
    if (this.#webhook === undefined) return;
    const { auditLevel = "RequestResponse" } = this.#webhook;
    const { table } = batch;
    let dropped = 0;
    let removed = 0;
    for (let row = 0; row < batch.count; row++) {
      const flags = table[row * ROW_WORDS + Row.flags];
      if (flags & NO_EVENT) continue;
      if ((flags & Flag.kubesphere) === 0) {
        this.#sawKubernetes = true;
        continue;
      }
      this.#sawKubeSphere = true;
      const isFresh = (flags & Flag.again) === 0;
      if (auditLevel === "None") {
        batch.setFlags(row, flags | Flag.dropped);
        if (isFresh) dropped++;
      }
      for (const field of ABSENT[auditLevel]) if (remove(batch, row, field) && isFresh) removed++;
    }
    if (dropped > 0) this.#meter.add("auditship_dropped_events_total", dropped, batch.source);
    if (removed > 0) this.#meter.add("auditship_audit_level_bodies_total", removed, batch.source);
    this.#noteTwice();
  }

  #noteTwice(): void {
    const isTwice =
      this.#webhook !== undefined &&
      this.#webhook.k8sAuditingEnabled !== true &&
      this.#sawKubeSphere &&
      this.#sawKubernetes;
    if (isTwice === this.#warned) return;
    this.#warned = isTwice;
    this.#meter.set("auditship_requests_twice", isTwice ? 1 : 0);
    if (!isTwice) return;
    this.#log.warn(
      {},
      "Requests that reach Kubernetes through KubeSphere are in both of their audit logs and may appear twice; k8sAuditingEnabled: true in the Webhook resource makes KubeSphere leave them to Kubernetes.",
    );
  }
}

/** Overwrites a body with null and spaces, so that the rest of the line stays where it is. */
function remove({ bytes, table }: Batch, row: number, field: Field): boolean {
  const at = row * ROW_WORDS + ROW_HEADER + 2 * field;
  const start = table[at];
  const end = table[at + 1];
  // Anything shorter is empty: {}, "", null.
  if (end - start <= NULL.length) return false;
  bytes.set(NULL, start);
  bytes.fill(SPACE, start + NULL.length, end);
  table[at + 1] = start + NULL.length;
  table[row * ROW_WORDS + Row.flags] |= Flag.irregular;
  return true;
}
