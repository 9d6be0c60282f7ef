import { type EventView, Field, type RuleMatch } from "../../../src/plugin/index.js";
import { type AlertContext, OVERFLOW, type Rendering } from "./rendering.js";
import { cut, listOf, type Pairs, TEXT_LENGTH, VALUE_LENGTH } from "./text.js";

/**
 * Alerts with the labels and the annotation of KubeSphere's own (kube-auditing 0.2), for routes and templates that were written
 * for them. Their time makes each request an alert of its own: what groups them is the route.
 */
export function kubesphere(context: AlertContext): Rendering {
  const labels = cut(VALUE_LENGTH, context.labels);
  const ofRule = ({ rule }: RuleMatch): Pairs => ({ ...labels, alertname: rule, alerttype: "auditing" });
  return {
    names: NAMES,
    labels: (event, match) => ({ ...ofRule(match), ...eventLabels(event) }),
    overflow: (_event, match) => ({ ...ofRule(match), ...OVERFLOW }),
    identity: (event) => JSON.stringify(eventLabels(event)),
    annotations: (event, match) => cut(TEXT_LENGTH, { message: match.message(event) }),
    summary: ({ labels, count }) => (labels.overflow === undefined ? NOTHING : { count: String(count) }),
  };
}

const NAMES = "alertname alerttype namespace resource name user group verb requestReceivedTimestamp overflow".split(
  " ",
);
const NOTHING: Pairs = {};

function eventLabels(event: EventView): Pairs {
  const values = cut(VALUE_LENGTH, {
    namespace: event.text(Field.objectRefNamespace),
    resource: event.text(Field.objectRefResource),
    name: event.text(Field.objectRefName),
    user: event.text(Field.userUsername),
    verb: event.text(Field.verb),
    requestReceivedTimestamp: goTime(event.text(Field.requestReceivedTimestamp)),
  });
  const groups = listOf(event, Field.userGroups);
  return groups.length > 0 ? { ...values, group: jsonOf(groups) } : values;
}

/** As many groups as there is room for, as JSON. */
function jsonOf(groups: string[]): string {
  const json = JSON.stringify(groups);
  return json.length <= TEXT_LENGTH ? json : jsonOf(groups.slice(0, -1));
}

/** `2026-11-21T10:00:00.120000Z` as Go's `time.Time.String` has it: `2026-11-21 10:00:00.12 +0000 UTC`. */
function goTime(time: string | undefined): string | undefined {
  const parts = time && /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/.exec(time);
  if (!parts) return time;
  const [, day, clock, fraction = ""] = parts;
  return `${day} ${clock}${fraction.replace(/\.?0+$/, "")} +0000 UTC`;
}
