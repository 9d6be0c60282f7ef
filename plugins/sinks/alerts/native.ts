import { type EventView, Field, type RuleMatch } from "../../../src/plugin/index.js";
import { severityOf } from "../severity.js";
import { type AlertContext, OVERFLOW, type Rendering } from "./rendering.js";
import { annotationText, cut, join, listOf, type Pairs, TEXT_LENGTH, VALUE_LENGTH } from "./text.js";

/**
 * Our own alerts. Labels say what is equal: no time, no object's name, so that a storm of one rule by one user on one kind of
 * thing is one alert. Each node counts for itself: agents know nothing of one another, and equal alerts of two would end, and
 * overwrite, each other.
 */
export function native(context: AlertContext): Rendering {
  const labels = cut(VALUE_LENGTH, context.labels);
  const ofRule = (event: EventView, match: RuleMatch): Pairs => ({ ...labels, ...ruleLabels(event, match, context) });
  return {
    names: NAMES,
    labels: (event, match) => ({ ...ofRule(event, match), ...cut(VALUE_LENGTH, distinctions(event)) }),
    overflow: (event, match) => ({ ...ofRule(event, match), ...OVERFLOW }),
    identity: (event) => JSON.stringify([event.batch.source, ...Object.values(distinctions(event))]),
    annotations: (event, match) => annotationsOf(event, match, context),
    summary: ({ count, firstAuditID, lastAuditID, firstTime, lastTime }) => ({
      count: String(count),
      firstAuditID,
      lastAuditID,
      firstTime: new Date(firstTime).toISOString(),
      lastTime: new Date(lastTime).toISOString(),
    }),
  };
}

const NAMES =
  "alertname alerttype severity priority dialect cluster node source user verb resource subresource namespace workspace overflow".split(
    " ",
  );

function ruleLabels(event: EventView, match: RuleMatch, { cluster, node }: AlertContext): Pairs {
  return cut(VALUE_LENGTH, {
    alertname: match.rule,
    alerttype: "auditing",
    severity: severityOf(match.rank),
    priority: match.priority,
    dialect: match.dialect,
    cluster,
    node,
    source: event.batch.source,
  });
}

/** By what alerts of one rule are told apart. */
const distinctions = (event: EventView) => ({
  user: event.text(Field.userUsername),
  verb: event.text(Field.verb),
  resource: event.text(Field.objectRefResource),
  subresource: event.text(Field.objectRefSubresource),
  namespace: event.text(Field.objectRefNamespace),
  workspace: workspaceOf(event),
});

/** What an operator reads first: what, who, on what, where observed, from where, to where; how it ended, and why. */
function annotationsOf(event: EventView, match: RuleMatch, { cluster, node, runbook }: AlertContext): Pairs {
  const resource = join("/", event.text(Field.objectRefResource), event.text(Field.objectRefSubresource));
  const texts = cut(TEXT_LENGTH, {
    runbook_url: runbook?.replaceAll("{rule}", encodeURIComponent(match.rule.replace(/\p{Surrogate}/gu, "\ufffd"))),
    ...match.facts,
    message: match.message(event),
    description: match.description,
    requestURI: event.text(Field.requestURI),
  });
  const values = cut(VALUE_LENGTH, {
    verb: event.text(Field.verb),
    user: event.text(Field.userUsername),
    groups: listOf(event, Field.userGroups).join(", "),
    impersonatedUser: event.text(Field.impersonatedUserUsername),
    objectRef: join(" ", resource, join("/", event.text(Field.objectRefNamespace), event.text(Field.objectRefName))),
    observedAt: join("/", cluster, node, event.batch.source),
    sourceIPs: listOf(event, Field.sourceIPs).join(", "),
    userAgent: event.text(Field.userAgent),
    code: event.text(Field.responseStatusCode),
    decision: annotationText(event, Field.annotations, "authorization.k8s.io/decision"),
    reason: annotationText(event, Field.annotations, "authorization.k8s.io/reason"),
  });
  return { ...texts, ...values };
}

function workspaceOf(event: EventView): string | undefined {
  const workspace = event.annotation("workspace");
  return workspace === undefined ? event.text(Field.workspace) : String(workspace);
}
