import { type EventView, Field, Kind, type RuleMatch } from "../../../src/plugin/index.js";
import { severityOf } from "../severity.js";

/** Label or annotation set, in a stable order. */
export type Pairs = Readonly<Record<string, string>>;

/** Longest value and longest text, in characters: the far end has no limit of its own, and what clients write is kept. */
const VALUE_LENGTH = 256;
const TEXT_LENGTH = 1024;

/** What is the same for all alerts of a sink. */
export interface AlertContext {
  cluster: string;
  /** Of the configuration; they give way to an alert's own. */
  labels: Pairs;
}

/** Labels of the configuration with Prometheus' classic names; Alertmanager before 0.28 refuses others. */
export function sanitiseLabels(labels: Pairs): Pairs {
  const entries = Object.entries(labels);
  return cut(
    VALUE_LENGTH,
    Object.fromEntries(entries.map(([name, value]) => [name.replace(/\W/g, "_").replace(/^(?=\d|$)/, "_"), value])),
  );
}

/**
 * The labels of a match. They say what is equal: no time, no object's name, so that a storm of one rule by one user on one
 * kind of thing is one alert. Empty ones are left out, as Alertmanager does.
 */
export function labelsOf(event: EventView, match: RuleMatch, context: AlertContext): Pairs {
  const labels = ruleLabels(event, match, context);
  put(labels, "user", event.text(Field.userUsername));
  put(labels, "verb", event.text(Field.verb));
  put(labels, "resource", event.text(Field.objectRefResource));
  put(labels, "subresource", event.text(Field.objectRefSubresource));
  put(labels, "namespace", event.text(Field.objectRefNamespace));
  put(labels, "workspace", workspaceOf(event));
  return labels;
}

/** The labels of what a full table has no place for: one alert per rule. */
export function overflowLabelsOf(event: EventView, match: RuleMatch, context: AlertContext): Pairs {
  return { ...ruleLabels(event, match, context), overflow: "true" };
}

/** What an operator reads first, from the event that began the alert. */
export function annotationsOf(event: EventView, match: RuleMatch): Pairs {
  const resource = join("/", event.text(Field.objectRefResource), event.text(Field.objectRefSubresource));
  const texts = cut(TEXT_LENGTH, { ...match.facts, message: match.message(event), description: match.description });
  const values = cut(VALUE_LENGTH, {
    user: event.text(Field.userUsername),
    impersonatedUser: event.text(Field.impersonatedUserUsername),
    verb: event.text(Field.verb),
    objectRef: join(" ", resource, join("/", event.text(Field.objectRefNamespace), event.text(Field.objectRefName))),
    requestURI: event.text(Field.requestURI),
    sourceIPs: listText(event, Field.sourceIPs),
    userAgent: event.text(Field.userAgent),
    code: event.text(Field.responseStatusCode),
    decision: annotation(event, "authorization.k8s.io/decision"),
    reason: annotation(event, "authorization.k8s.io/reason"),
  });
  return { ...texts, ...values };
}

/** Labels as one string: equal alerts have equal keys. */
export const keyOf = (labels: Pairs): string => JSON.stringify(labels);

/** A request, the same in each of its stages (DESIGN §5, "An alert counts a request once"); auditID is the client's to choose. */
export const requestOf = (event: EventView): string => JSON.stringify(REQUEST_FIELDS.map((field) => event.text(field)));

const REQUEST_FIELDS = [
  Field.auditID,
  Field.requestReceivedTimestamp,
  Field.userUsername,
  Field.verb,
  Field.requestURI,
];

function ruleLabels(event: EventView, match: RuleMatch, context: AlertContext): Record<string, string> {
  const labels: Record<string, string> = { ...context.labels };
  put(labels, "alertname", match.rule);
  put(labels, "alerttype", "auditing");
  put(labels, "severity", severityOf(match.rank));
  put(labels, "priority", match.priority);
  put(labels, "dialect", match.dialect);
  put(labels, "cluster", context.cluster);
  put(labels, "source", event.batch.source);
  return labels;
}

function put(labels: Record<string, string>, name: string, value: string | undefined): void {
  if (value) labels[name] = cutText(value, VALUE_LENGTH);
}

function cut(length: number, pairs: Record<string, string | undefined>): Pairs {
  const kept = Object.entries(pairs).filter((pair): pair is [string, string] => !!pair[1]);
  return Object.fromEntries(kept.map(([name, value]) => [name, cutText(value, length)]));
}

/** Cuts without leaving half a character. */
function cutText(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

function workspaceOf(event: EventView): string | undefined {
  const workspace = event.annotation("workspace");
  return workspace === undefined ? event.text(Field.workspace) : String(workspace);
}

function annotation(event: EventView, key: string): string | undefined {
  const body = event.open(Field.annotations);
  if (!body || body.tape.kind(body.root) !== Kind.object) return undefined;
  const node = body.tape.member(body.root, key);
  return node < 0 ? undefined : event.textAt(body.tape.start(node), body.tape.end(node));
}

/** `["10.0.0.1","10.0.0.2"]` as `10.0.0.1, 10.0.0.2`. */
function listText(event: EventView, field: Field): string | undefined {
  const body = event.open(field);
  if (!body || body.tape.kind(body.root) !== Kind.array) return undefined;
  const { tape, root } = body;
  const items: string[] = [];
  for (let node = root + 1; node < tape.next(root) && items.length < 10; node = tape.next(node)) {
    items.push(event.textAt(tape.start(node), tape.end(node)));
  }
  return items.join(", ");
}

const join = (separator: string, ...parts: (string | undefined)[]): string => parts.filter(Boolean).join(separator);
