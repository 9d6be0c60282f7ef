import {
  type Annotation,
  BACKSLASH,
  type ByteWriter,
  DayNames,
  EncodedTexts,
  type EventView,
  Field,
  Flag,
  Kind,
  SEMICOLON,
  SPACE,
  writeMessage,
} from "../../../../src/plugin/index.js";
import {
  closeDocument,
  closeObject,
  type FieldMember,
  hasText,
  writeJoined,
  writeString,
  writeValue,
} from "./fields.js";
import type { Shape } from "./shape.js";

const member = (name: string, field: Field): FieldMember => ({ key: Buffer.from(`,"${name}":`), field });
const HEAD = [
  member("kind", Field.kind),
  member("apiVersion", Field.apiVersion),
  member("Level", Field.level),
  member("AuditID", Field.auditID),
  member("Stage", Field.stage),
  member("RequestURI", Field.requestURI),
  member("UserAgent", Field.userAgent),
];
const VERB = Buffer.from(',"Verb":');
const USER = Buffer.from(',"User":');
const USER_MEMBERS = [member("Username", Field.userUsername), member("UID", Field.userUid)];
const GROUPS = Buffer.from(',"Groups":');
const EXTRA = Buffer.from(',"Extra":');
const IMPERSONATED = Buffer.from(',"ImpersonatedUser":');
const IMPERSONATED_MEMBERS = [
  member("Username", Field.impersonatedUserUsername),
  member("UID", Field.impersonatedUserUid),
];
const SOURCE_IPS = Buffer.from(',"SourceIPs":');
const OBJECT_REF = Buffer.from(',"ObjectRef":');
const OBJECT_REF_MEMBERS = [
  member("Resource", Field.objectRefResource),
  member("Namespace", Field.objectRefNamespace),
  member("Name", Field.objectRefName),
  member("UID", Field.objectRefUid),
  member("APIGroup", Field.objectRefApiGroup),
  member("APIVersion", Field.objectRefApiVersion),
  member("ResourceVersion", Field.objectRefResourceVersion),
  member("Subresource", Field.objectRefSubresource),
];
const STATUS = Buffer.from(',"ResponseStatus":');
const STATUS_MEMBERS = [
  member("status", Field.responseStatusStatus),
  member("message", Field.responseStatusMessage),
  member("reason", Field.responseStatusReason),
];
const CODE = Buffer.from(',"code":');
const TEXTS = [
  member("RequestObject", Field.requestObject),
  member("ResponseObject", Field.responseObject),
  member("Annotations", Field.annotations),
];
const TIMES = [
  member("RequestReceivedTimestamp", Field.requestReceivedTimestamp),
  member("StageTimestamp", Field.stageTimestamp),
];
const DEVOPS = member("Devops", Field.devops);
const WORKSPACE = member("Workspace", Field.workspace);
const CLUSTER = member("Cluster", Field.cluster);
const MESSAGE = Buffer.from(',"Message":');
const NULL = Buffer.from("null");

/**
 * Documents as KubeSphere's own agent archives them, so that its console finds them: names with a capital, "" where there is
 * nothing, groups and addresses joined, bodies as text. What it drops (impersonation, user agent, annotations, extra) is kept.
 * Source: `pkg/simple/client/auditing/elasticsearch/elasticsearch.go` of KubeSphere 3.4, which asks for the fields.
 */
export class KubeSphere implements Shape {
  readonly #texts = new EncodedTexts();
  readonly #days = new DayNames();

  constructor(private readonly cluster: string) {}

  /** The day of the request: the console asks the indices of the days between the times it was given. */
  day(event: EventView): string {
    const received = event.timeOf(Field.requestReceivedTimestamp);
    return this.#days.nameOf(Number.isNaN(received) ? event.timeMs() : received);
  }

  write(event: EventView, out: ByteWriter): void {
    this.#write(event, out);
  }

  writeSafe(event: EventView, reason: string, out: ByteWriter): void {
    this.#write(event, out, reason);
  }

  #write(event: EventView, out: ByteWriter, safeShape?: string): void {
    if ((event.flags() & Flag.invalid) !== 0) {
      event.writeMembers(out, { safeShape });
      return;
    }
    const start = out.length;
    writeStrings(event, HEAD, out);
    out.copy(VERB);
    writeVerb(event, out);
    this.#writeUser(event, out);
    this.#writeImpersonated(event, out);
    out.copy(SOURCE_IPS);
    writeJoined(event, Field.sourceIPs, out);
    this.#writeObjectRef(event, out);
    this.#writeStatus(event, out, safeShape !== undefined);
    writeStrings(event, TEXTS, out);
    for (const { key, field } of TIMES) {
      out.copy(key);
      if (Number.isNaN(event.timeOf(field))) out.json(new Date(event.timeMs()).toISOString());
      else writeValue(event, field, out);
    }
    this.#writePlace(event, out);
    out.copy(MESSAGE);
    writeMessages(event, out);
    closeDocument(event, out, start, safeShape);
  }

  #writeUser(event: EventView, out: ByteWriter): void {
    out.copy(USER);
    const start = out.length;
    writeStrings(event, USER_MEMBERS, out);
    out.copy(GROUPS);
    writeJoined(event, Field.userGroups, out);
    writeExtra(event, Field.userExtra, out);
    closeObject(out, start);
  }

  #writeImpersonated(event: EventView, out: ByteWriter): void {
    out.copy(IMPERSONATED);
    if (event.kind(Field.impersonatedUser) !== Kind.object) {
      out.copy(NULL);
      return;
    }
    const start = out.length;
    writeStrings(event, IMPERSONATED_MEMBERS, out);
    out.copy(GROUPS);
    writeJoined(event, Field.impersonatedUserGroups, out);
    writeExtra(event, Field.impersonatedUserExtra, out);
    closeObject(out, start);
  }

  #writeObjectRef(event: EventView, out: ByteWriter): void {
    out.copy(OBJECT_REF);
    const start = out.length;
    writeStrings(event, OBJECT_REF_MEMBERS, out);
    closeObject(out, start);
  }

  #writeStatus(event: EventView, out: ByteWriter, safe: boolean): void {
    out.copy(STATUS);
    if (event.kind(Field.responseStatus) !== Kind.object) out.copy(NULL);
    else if (!safe) writeValue(event, Field.responseStatus, out);
    else {
      const start = out.length;
      writeStrings(event, STATUS_MEMBERS, out);
      if (event.kind(Field.responseStatusCode) === Kind.number) {
        out.copy(CODE);
        writeValue(event, Field.responseStatusCode, out);
      }
      closeObject(out, start);
    }
  }

  /** Where it happened. */
  #writePlace(event: EventView, out: ByteWriter): void {
    this.#writeOwn(event, DEVOPS, event.annotation("devops"), out);
    this.#writeOwn(event, WORKSPACE, event.annotation("workspace"), out);
    this.#writeOwn(event, CLUSTER, this.cluster, out);
  }

  /** What KubeSphere's own line says, else what we know. */
  #writeOwn(event: EventView, { key, field }: FieldMember, known: Annotation | undefined, out: ByteWriter): void {
    out.copy(key);
    if (hasText(event, field)) writeValue(event, field, out);
    else out.copy(this.#texts.get(String(known ?? "")));
  }
}

function writeStrings(event: EventView, members: readonly FieldMember[], out: ByteWriter): void {
  for (const { key, field } of members) {
    out.copy(key);
    writeString(event, field, out);
  }
}

function writeExtra(event: EventView, field: Field, out: ByteWriter): void {
  if (event.kind(field) !== Kind.object) return;
  out.copy(EXTRA);
  writeString(event, field, out);
}

/** The messages of the event's matches with `; ` between them, as one JSON string; KubeSphere's own where there are none. */
function writeMessages(event: EventView, out: ByteWriter): void {
  const matches = event.matches();
  if (matches.length === 0) writeString(event, Field.message, out);
  for (let index = 0; index < matches.length; index++) {
    const match = matches[index];
    // The closing quote of the message before becomes the semicolon, the opening one of the next the blank.
    if (index > 0) out.bytes[out.length - 1] = SEMICOLON;
    const quote = out.length;
    writeMessage(match, event, out);
    if (index > 0) out.bytes[quote] = SPACE;
  }
}

/** Verbs are lower-case there. */
function writeVerb(event: EventView, out: ByteWriter): void {
  const start = out.length;
  writeString(event, Field.verb, out);
  const { bytes, length } = out;
  for (let at = start; at < length; at++) {
    if (bytes[at] >= 0x41 && bytes[at] <= 0x5a) bytes[at] += 0x20;
    else if (bytes[at] === BACKSLASH) {
      out.length = start;
      out.json(event.text(Field.verb)!.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()));
      return;
    }
  }
}
