import {
  BACKSLASH,
  type ByteWriter,
  COLON,
  COMMA,
  DOT,
  type EventView,
  Field,
  Kind,
  members,
  QUOTE,
  sameBytes,
  skipSpace,
  UNDERSCORE,
  valueEnd,
} from "../../../../src/plugin/index.js";
import { closeObject } from "./fields.js";

/** What the authorizer said of a request, undefined if that is not told. */
export type Decision = "allow" | "forbid" | undefined;

const DECISION = "authorization.k8s.io/decision";
const DECISION_KEY = Buffer.from(`"${DECISION}"`);
const ALLOW = Buffer.from('"allow"');
const FORBID = Buffer.from('"forbid"');

/**
 * Appends the event's annotations, which are an object, with `_` for the dots in their names, as Elastic's integration has them
 * (`authorization_k8s_io/decision`). What is no string is text.
 */
export function writeAnnotations(event: EventView, out: ByteWriter): Decision {
  const { bytes } = event.batch;
  const start = out.length;
  let decision: Decision;
  for (let at = skipSpace(bytes, event.start(Field.annotations) + 1); bytes[at] === QUOTE; ) {
    const keyEnd = valueEnd(bytes, at);
    out.byte(COMMA);
    writeName(event, at, keyEnd, out);
    out.byte(COLON);
    const value = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    const end = valueEnd(bytes, value);
    const written = out.length;
    event.writeSpan(value, end, out);
    if (out.bytes[written] !== QUOTE) out.quote(written);
    if (sameBytes(bytes, at, keyEnd, DECISION_KEY)) decision = decisionAt(out, written);
    at = skipSpace(bytes, skipSpace(bytes, end) + 1);
  }
  closeObject(out, start);
  return decision;
}

function writeName(event: EventView, start: number, end: number, out: ByteWriter): void {
  const written = out.length;
  event.writeSpan(start, end, out);
  const { bytes, length } = out;
  for (let at = written; at < length; at++) {
    if (bytes[at] === DOT) bytes[at] = UNDERSCORE;
    else if (bytes[at] === BACKSLASH) {
      out.length = written;
      out.json(event.textAt(start, end).replaceAll(".", "_"));
      return;
    }
  }
}

function decisionAt({ bytes, length }: ByteWriter, start: number): Decision {
  if (sameBytes(bytes, start, length, ALLOW)) return "allow";
  return sameBytes(bytes, start, length, FORBID) ? "forbid" : undefined;
}

/** The same of an event that was refused: each name once, and none that a server refuses. */
export function writeSafeAnnotations(event: EventView, out: ByteWriter): Decision {
  const found = new Map<string, string>();
  if (event.kind(Field.annotations) === Kind.object) {
    for (const { key, start, end } of members(event.batch.bytes, event.start(Field.annotations))) {
      if (key !== "") found.set(key.replaceAll(".", "_"), event.textAt(start, end));
    }
  }
  out.json(Object.fromEntries(found));
  const decision = found.get(DECISION.replaceAll(".", "_"));
  return decision === "allow" || decision === "forbid" ? decision : undefined;
}
