import { type EventView, Field, type Host, type RuleMatch } from "../../../src/plugin/index.js";
import { cut, cutText, type Pairs, TEXT_LENGTH } from "../alerts/text.js";
import type { AlertFormat } from "./format.js";
import { timeOf } from "./time.js";

/**
 * Falco's alerts as its http_output posts them, one a request: what falcosidekick takes (its `types.FalcoPayload`), which
 * refuses an alert without rule, priority, time or output fields.
 */
export const falco = (host: Host): AlertFormat => ({
  of: "match",
  type: "application/json",
  write(event, match, out) {
    const time = timeOf(event);
    const priority = priorityOf(match);
    out.json({
      output: `${clockOf(time)}: ${priority} ${cutText(match.message(event), TEXT_LENGTH)}`,
      priority,
      rule: match.rule,
      time,
      source: "k8s_audit",
      hostname: host.node,
      tags: match.tags,
      output_fields: { ...fieldsOf(event, host), ...ruleFieldsOf(event, match) },
    });
  },
  body: ([message]) => Buffer.from(message),
});

/** Falco's names by rank. */
const PRIORITIES = ["Debug", "Informational", "Warning", "Error", "Critical", "Alert", "Emergency"];

const priorityOf = ({ dialect, priority, rank }: RuleMatch): string =>
  dialect === "falco" ? priority : PRIORITIES[rank];

/** `12:00:00.000001000` of `2026-11-21T12:00:00.000001Z`: Falco tells nanoseconds, and falcosidekick looks for them. */
function clockOf(time: string): string {
  const [seconds, fraction = ""] = time.slice("2026-11-21T".length, -1).split(".");
  return `${seconds}.${fraction.padEnd(9, "0")}`;
}

/** Who did what to what, by the names of Falco's fields, and which event says so: whatever the rule shows. */
function fieldsOf(event: EventView, { cluster }: Host): Pairs {
  return cut(TEXT_LENGTH, {
    "auditship.cluster": cluster,
    "auditship.id": event.id(),
    "ka.auditid": event.text(Field.auditID),
    "ka.user.name": event.text(Field.userUsername),
    "ka.verb": event.text(Field.verb),
    "ka.uri": event.text(Field.requestURI),
    "ka.target.resource": event.text(Field.objectRefResource),
    "ka.target.subresource": event.text(Field.objectRefSubresource),
    "ka.target.namespace": event.text(Field.objectRefNamespace),
    "ka.target.name": event.text(Field.objectRefName),
    "ka.response.code": event.text(Field.responseStatusCode),
  });
}

type FieldValue = string | readonly string[] | null;

/** What a Falco rule shows; absent values are null, as Falco has them. */
function ruleFieldsOf(event: EventView, match: RuleMatch): Record<string, FieldValue> {
  const fields = Object.entries(match.fields?.(event) ?? {});
  return Object.fromEntries(fields.map(([name, value]) => [name, short(value)]));
}

function short(value: FieldValue): FieldValue {
  if (value === null) return null;
  if (typeof value === "string") return cutText(value, TEXT_LENGTH);
  return value.slice(0, MOST_VALUES).map((each) => cutText(each, TEXT_LENGTH));
}

/** Of a list. */
const MOST_VALUES = 100;
