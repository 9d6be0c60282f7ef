import {
  type ByteWriter,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  type EventView,
  Field,
  Flag,
  type Host,
  OPEN_BRACKET,
  QUOTE,
} from "../../../../src/plugin/index.js";
import { safeMembers } from "../safe-shape.js";
import type { Target } from "../target.js";
import { type Decision, writeSafeAnnotations } from "./annotations.js";
import { writeAuditEvent } from "./audit-event.js";
import { closeDocument, closeObject, type FieldMember, hasText, isTextList, writeValue } from "./fields.js";
import type { Shape } from "./shape.js";

/** The version of the Elastic Common Schema that the names are of. */
const ECS_VERSION = "8.11.0";
/** Elastic's rules ask for this data set, and search the indices named after it. */
const DATASET = "kubernetes.audit_logs";
const DATA_STREAM = new RegExp(`^logs-${DATASET.replace(".", "\\.")}-([^{}]+)$`);

const member = (name: string, field: Field): FieldMember => ({ key: Buffer.from(`,"${name}":`), field });

const AUDIT = Buffer.from(',"kubernetes":{"audit":');
const EVENT = Buffer.from(`,"event":{"kind":"event","module":"kubernetes","dataset":"${DATASET}","ingested":"`);
const ACTION = member("action", Field.verb);
const OUTCOMES = { allow: Buffer.from(',"outcome":"success"'), forbid: Buffer.from(',"outcome":"failure"') };
const USER = Buffer.from(',"user":');
const USER_MEMBERS = [member("name", Field.userUsername), member("id", Field.userUid)];
const USER_AGENT = Buffer.from(',"user_agent":{"original":');
const SOURCE = Buffer.from(',"source":{"ip":');
const CLIENT = Buffer.from('},"client":{"ip":');
const ORCHESTRATOR_MEMBERS = [member("api_version", Field.apiVersion), member("namespace", Field.objectRefNamespace)];
const RESOURCE = Buffer.from(',"resource":');
const RESOURCE_MEMBERS = [member("name", Field.objectRefName), member("type", Field.objectRefResource)];
const RELATED = Buffer.from(',"related":');
const RELATED_IP = Buffer.from(',"ip":');
const RELATED_USER = Buffer.from(',"user":');
const RELATED_USERS = [Field.userUsername, Field.userUid, Field.impersonatedUserUsername];

/**
 * Documents with the names of Elastic's integration for Kubernetes audit logs, so that Elastic's detection rules find their
 * fields: the event below `kubernetes.audit`, and what the Elastic Common Schema has a name for.
 * Source: `packages/kubernetes/data_stream/audit_logs` of elastic/integrations.
 */
export class Ecs implements Shape {
  /** What is the same in all documents. */
  readonly #opening: Buffer;
  readonly #orchestrator: Buffer;
  readonly #now: () => number;
  /** The millisecond that was written last. */
  #time = Number.NaN;
  #timeText = Buffer.alloc(0);

  constructor({ cluster, node, now }: Host, { name }: Target) {
    const dataStream = { type: "logs", dataset: DATASET, namespace: DATA_STREAM.exec(name)?.[1] ?? "default" };
    const host = node === "" ? undefined : { name: node };
    const opening = { ecs: { version: ECS_VERSION }, data_stream: dataStream, host };
    this.#opening = Buffer.from(JSON.stringify(opening).slice(0, -1));
    const orchestrator = { type: "kubernetes", cluster: cluster === "" ? undefined : { name: cluster } };
    this.#orchestrator = Buffer.from(`,"orchestrator":${JSON.stringify(orchestrator).slice(0, -1)}`);
    this.#now = now;
  }

  day(event: EventView): string {
    return event.day();
  }

  write(event: EventView, out: ByteWriter): void {
    if ((event.flags() & Flag.invalid) !== 0) {
      event.writeMembers(out);
      return;
    }
    const start = out.length;
    out.copy(this.#opening);
    out.copy(AUDIT);
    const decision = writeAuditEvent(event, out);
    out.byte(CLOSE_BRACE);
    this.#writeCommon(event, decision, out);
    closeDocument(event, out, start);
  }

  writeSafe(event: EventView, reason: string, out: ByteWriter): void {
    const start = out.length;
    out.copy(this.#opening);
    out.copy(AUDIT);
    const line = safeMembers(event);
    out.text(`{${line}${line && ","}"annotations":`);
    const decision = writeSafeAnnotations(event, out);
    out.text("}}");
    this.#writeCommon(event, decision, out);
    closeDocument(event, out, start, reason);
  }

  /** What the schema has names for. */
  #writeCommon(event: EventView, decision: Decision, out: ByteWriter): void {
    out.copy(EVENT);
    this.#writeTime(out);
    out.byte(QUOTE);
    writeTexts(event, [ACTION], out);
    if (decision !== undefined) out.copy(OUTCOMES[decision]);
    out.byte(CLOSE_BRACE);
    writeObject(event, USER, USER_MEMBERS, out);
    if (hasText(event, Field.userAgent)) {
      out.copy(USER_AGENT);
      writeValue(event, Field.userAgent, out);
      out.byte(CLOSE_BRACE);
    }
    if (isTextList(event, Field.sourceIPs)) {
      out.copy(SOURCE);
      writeValue(event, Field.sourceIPs, out);
      out.copy(CLIENT);
      writeValue(event, Field.sourceIPs, out);
      out.byte(CLOSE_BRACE);
    }
    out.copy(this.#orchestrator);
    writeTexts(event, ORCHESTRATOR_MEMBERS, out);
    writeObject(event, RESOURCE, RESOURCE_MEMBERS, out);
    out.byte(CLOSE_BRACE);
    writeRelated(event, out);
  }

  #writeTime(out: ByteWriter): void {
    const time = this.#now();
    if (time !== this.#time) {
      this.#time = time;
      this.#timeText = Buffer.from(new Date(time).toISOString());
    }
    out.copy(this.#timeText);
  }
}

/** Appends the members whose fields are texts that are not empty. */
function writeTexts(event: EventView, members: readonly FieldMember[], out: ByteWriter): void {
  for (const { key, field } of members) {
    if (!hasText(event, field)) continue;
    out.copy(key);
    writeValue(event, field, out);
  }
}

/** Appends an object of such members, if there are any. */
function writeObject(event: EventView, key: Buffer, members: readonly FieldMember[], out: ByteWriter): void {
  const before = out.length;
  out.copy(key);
  const start = out.length;
  writeTexts(event, members, out);
  if (out.length === start) out.length = before;
  else closeObject(out, start);
}

/** Addresses and users once more, where a search for "all about this one" looks. */
function writeRelated(event: EventView, out: ByteWriter): void {
  const before = out.length;
  out.copy(RELATED);
  const start = out.length;
  if (isTextList(event, Field.sourceIPs)) {
    out.copy(RELATED_IP);
    writeValue(event, Field.sourceIPs, out);
  }
  writeRelatedUsers(event, out);
  if (out.length === start) out.length = before;
  else closeObject(out, start);
}

function writeRelatedUsers(event: EventView, out: ByteWriter): void {
  const before = out.length;
  out.copy(RELATED_USER);
  const start = out.length;
  for (const field of RELATED_USERS) {
    if (!hasText(event, field)) continue;
    out.byte(COMMA);
    writeValue(event, field, out);
  }
  if (out.length === start) {
    out.length = before;
    return;
  }
  out.bytes[start] = OPEN_BRACKET;
  out.byte(CLOSE_BRACKET);
}
