import type { EventView, Host, RuleMatch } from "../../../src/plugin/index.js";
import { labelsForAlerts } from "../alerts/names.js";
import { native } from "../alerts/native.js";
import type { Pairs } from "../alerts/text.js";
import { fingerprint } from "./fingerprint.js";
import type { AlertFormat } from "./format.js";
import { timeOf } from "./time.js";

/** An alert in a notification. */
interface Alert {
  status: "firing";
  labels: Pairs;
  annotations: Pairs;
  startsAt: string;
  endsAt: string;
  generatorURL: string;
  fingerprint: string;
}

/** Go's zero time, which is how Alertmanager says "not yet". */
const NEVER = "0001-01-01T00:00:00Z";

/**
 * What Alertmanager posts to a receiver of its `webhook_config`, version 4 (`template.Data` and `webhook.Message` in its
 * source). A request is one notification; its group is what its alerts have in common. Alerts are moments: nothing is
 * resolved.
 */
export const alertmanager = ({ cluster, node, labels, name }: Host): AlertFormat => {
  const rendering = native({ cluster, node, labels: labelsForAlerts(labels) });
  return {
    of: "match",
    type: "application/json",
    batchType: "application/json",
    write(event: EventView, match: RuleMatch, out) {
      const alertLabels = rendering.labels(event, match);
      const alert: Alert = {
        status: "firing",
        labels: alertLabels,
        annotations: { ...rendering.annotations(event, match), id: event.id() },
        startsAt: timeOf(event),
        endsAt: NEVER,
        generatorURL: "",
        fingerprint: fingerprint(alertLabels),
      };
      out.json(alert);
    },
    body: (messages) => notification(name, messages.map(parse)),
  };
};

const parse = (message: Uint8Array): Alert => JSON.parse(Buffer.from(message).toString());

function notification(receiver: string, alerts: readonly Alert[]): Buffer {
  const group = shared(alerts.map(({ labels }) => labels));
  const message = {
    version: "4",
    groupKey: `{}:{${group.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ")}}`,
    truncatedAlerts: 0,
    status: "firing",
    receiver,
    groupLabels: Object.fromEntries(group),
    commonLabels: Object.fromEntries(group),
    commonAnnotations: Object.fromEntries(shared(alerts.map(({ annotations }) => annotations))),
    externalURL: "",
    alerts,
  };
  return Buffer.from(JSON.stringify(message));
}

/** The pairs that stand in all of them, by name. */
function shared([first, ...others]: readonly Pairs[]): [name: string, value: string][] {
  return Object.entries(first)
    .filter(([name, value]) => others.every((pairs) => pairs[name] === value))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
