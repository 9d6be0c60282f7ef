import { type EventView, Field, type RuleMatch } from "../../../src/plugin/index.js";
import { join } from "../alerts/text.js";

/**
 * The matches that an event is told of as alerts: those that alert, else all; and where no rule matched, but the sink selects
 * the event all the same (`select: all`, or a condition), one that says what happened.
 */
export function toldMatches(event: EventView): readonly RuleMatch[] {
  const matches = event.matches();
  if (matches.length === 0) return [SELECTED];
  const alerting = matches.filter(({ actions }) => actions.includes("alerting"));
  return alerting.length > 0 ? alerting : matches;
}

const SELECTED: RuleMatch = {
  rule: "Audit event",
  dialect: "auditship",
  priority: "INFO",
  rank: 1,
  actions: [],
  tags: [],
  facts: {},
  message: (event) => {
    const invalid = event.batch.invalid(event.row);
    return invalid ? `invalid line (${invalid.reason}), ${invalid.length} bytes` : act(event);
  },
};

/** `alice get secrets shop/db: 200`. */
function act(event: EventView): string {
  const text = (field: Field) => event.text(field) ?? "";
  const resource = join("/", text(Field.objectRefResource), text(Field.objectRefSubresource));
  const object = join("/", text(Field.objectRefNamespace), text(Field.objectRefName));
  const what = join(" ", text(Field.userUsername), text(Field.verb), resource || text(Field.requestURI), object);
  return join(": ", what, text(Field.responseStatusCode));
}
