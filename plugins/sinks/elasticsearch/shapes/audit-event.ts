import {
  type ByteWriter,
  type EventView,
  FIELD_PATHS,
  Field,
  Flag,
  Kind,
  members,
  ROW_WORDS,
  Row,
} from "../../../../src/plugin/index.js";
import { type Decision, writeAnnotations } from "./annotations.js";
import { BODY_FIELDS, fits } from "./body-fields.js";
import { closeObject, type FieldMember, writeValue } from "./fields.js";

interface EventMember extends FieldMember {
  /** Members that have fields of their own. */
  readonly nested: readonly FieldMember[];
}

const fieldsBelow = (prefix: string): FieldMember[] =>
  FIELD_PATHS.flatMap((path, field) => {
    const name = path.slice(prefix.length);
    return path.startsWith(prefix) && !name.includes(".") ? [{ key: Buffer.from(`,"${name}":`), field }] : [];
  });

const MEMBERS: readonly EventMember[] = fieldsBelow("").map(({ key, field }) => {
  return { key, field, nested: fieldsBelow(`${FIELD_PATHS[field]}.`) };
});

/** Keys of a body that is text. */
const TEXT_KEYS = new Map([
  [Field.requestObject, Buffer.from(',"requestObjectText":')],
  [Field.responseObject, Buffer.from(',"responseObjectText":')],
]);

/** Names of the members, as kube-apiserver and as KubeSphere spell them, and those that documents have ours for. */
const KNOWN = new Set(["@timestamp", "auditship"]);
for (const { field } of MEMBERS) {
  const name = FIELD_PATHS[field];
  KNOWN.add(name);
  if (field !== Field.kind && field !== Field.apiVersion) KNOWN.add(name[0].toUpperCase() + name.slice(1));
}

/**
 * Appends the event as an object with the names of `audit.k8s.io/v1`, with annotations as {@link writeAnnotations} has them. A
 * body that is something else where {@link BODY_FIELDS} are is text, under `requestObjectText` or `responseObjectText`.
 */
export function writeAuditEvent(event: EventView, out: ByteWriter): Decision {
  const isGo = (event.flags() & Flag.kubesphere) !== 0;
  const start = out.length;
  let decision: Decision;
  for (const { key, field, nested } of MEMBERS) {
    const kind = event.kind(field);
    if (kind === Kind.absent) continue;
    const textKey = TEXT_KEYS.get(field);
    if (textKey && !bodyFits(event, field, kind)) {
      out.copy(textKey);
      const at = out.length;
      writeValue(event, field, out);
      out.quote(at);
      continue;
    }
    out.copy(key);
    if (kind !== Kind.object) writeValue(event, field, out);
    else if (field === Field.annotations) decision = writeAnnotations(event, out);
    else if (isGo && nested.length > 0) writeNested(event, nested, out);
    else writeValue(event, field, out);
  }
  if ((event.flags() & Flag.irregular) !== 0) writeOthers(event, out);
  closeObject(out, start);
  return decision;
}

function bodyFits(event: EventView, field: Field, kind: Kind): boolean {
  if (kind === Kind.null) return true;
  if (kind !== Kind.object && kind !== Kind.array) return false;
  const body = event.open(field);
  return body !== undefined && fits(body.tape, body.root, BODY_FIELDS);
}

function writeNested(event: EventView, nested: readonly FieldMember[], out: ByteWriter): void {
  const start = out.length;
  for (const { key, field } of nested) {
    if (event.kind(field) === Kind.absent) continue;
    out.copy(key);
    writeValue(event, field, out);
  }
  closeObject(out, start);
}

/** What no event of Kubernetes has, as it stands; of a name that is there twice the last. */
function writeOthers(event: EventView, out: ByteWriter): void {
  const { bytes, table } = event.batch;
  const others = new Map<string, [start: number, end: number]>();
  for (const { key, start, end } of members(bytes, table[event.row * ROW_WORDS + Row.start])) {
    if (!KNOWN.has(key)) others.set(key, [start, end]);
  }
  for (const [key, [start, end]] of others) {
    out.text(`,${JSON.stringify(key)}:`);
    event.writeSpan(start, end, out);
  }
}
