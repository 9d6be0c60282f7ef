import {
  AuditshipError,
  type EventView,
  Field,
  MessageTemplate,
  type Place,
  type ShownField,
} from "../../../plugin/index.js";
import { render } from "../../render.js";
import type { Path } from "../../tree.js";
import type { Definitions, Expander } from "./definitions.js";
import { PathError, resolvePath } from "./fields.js";

/** A part of a message template: text, or a value to fill in for each event. */
export type OutputPart =
  | string
  | { readonly path: Path }
  /** `${$2}`: the second of the parts of ObjectRef.Name, which colons separate. */
  | { readonly part: number };

/**
 * Reads an `output`: `${alias}`, `${list}` (printed as `a, b`), `${field}`, `${$1}`. An alias or list of the same resource takes
 * precedence, then one of another resource, then the field (reference/kubesphere.md §2.3).
 */
export function parseOutput(
  output: string,
  resource: string,
  definitions: Definitions,
  expander: Expander,
  place: Place,
): OutputPart[] {
  const parts: OutputPart[] = [];
  let at = 0;
  for (const match of output.matchAll(/\$\{([^{}]*)\}/g)) {
    if (match.index > at) parts.push(output.slice(at, match.index));
    parts.push(reference(match[1].trim()));
    at = match.index + match[0].length;
  }
  if (at < output.length) parts.push(output.slice(at));
  return parts;

  function reference(name: string): OutputPart {
    const part = /^\$([1-9]\d{0,2})$/.exec(name);
    if (part) return { part: Number(part[1]) };
    const definition = definitions.find(name, [resource]);
    switch (definition?.type) {
      case "list":
        return expander.items(definition).join(", ");
      case "alias":
        return { path: expander.aliasPath(definition) };
      case "macro":
        throw invalid(`\${${name}} in the output is a macro; a message takes fields, aliases and lists`);
      default:
        return { path: fieldPath(name) };
    }
  }

  function fieldPath(name: string): Path {
    try {
      return resolvePath(name);
    } catch (error) {
      if (error instanceof PathError) throw invalid(`\${${name}} in the output: ${error.message}`);
      throw error;
    }
  }

  function invalid(what: string): AuditshipError {
    return new AuditshipError("AUDITSHIP_RULE_INVALID", `${what}.`, place);
  }
}

/** The message for an event; `[]` stands for the default message. */
export function renderOutput(parts: readonly OutputPart[], event: EventView): string {
  if (parts.length === 0) return defaultMessage(event);
  let message = "";
  for (const part of parts) message += typeof part === "string" ? part : renderPart(part, event);
  return message;
}

/** The message as a template; undefined if a part of it has to be computed. */
export function outputTemplate(parts: readonly OutputPart[]): MessageTemplate | undefined {
  const shown = parts.map((part) => (typeof part === "string" ? part : plainField(part)));
  return parts.length > 0 && shown.every((part) => part !== undefined) ? new MessageTemplate(shown) : undefined;
}

/** The field that a part shows, if the field's own bytes are shown. */
function plainField(part: Exclude<OutputPart, string>): ShownField | undefined {
  if (!("path" in part) || part.path.steps.length > 0) return undefined;
  const { source } = part.path;
  if (source.kind !== "field" || source.fold === "utc") return undefined;
  return { field: source.field, lower: source.fold === "lower" };
}

function renderPart(part: Exclude<OutputPart, string>, event: EventView): string {
  if ("path" in part) return render(part.path, event);
  return textOf(Field.objectRefName, event).split(":")[part.part - 1] ?? "";
}

/** Resources whose default message names the workspace. */
const WORKSPACE_RESOURCES = [
  "devops",
  "namespaces",
  "federatednamespaces",
  "workspaceroles",
  "federatedworkspaceroles",
  "workspacemembers",
];
const NAMESPACE_RESOURCES = ["namespaces", "federatednamespaces"];

/** `alice create pods 'web-0' in Namespace demo`. A request without a resource shows its URI instead. */
function defaultMessage(event: EventView): string {
  const who = `${textOf(Field.userUsername, event)} ${textOf(Field.verb, event).toLowerCase()}`;
  const resource = textOf(Field.objectRefResource, event);
  if (resource === "") return `${who} ${textOf(Field.requestURI, event)}`;
  const workspace = String(event.annotation("workspace") ?? textOf(Field.workspace, event));
  const devops = textOf(Field.devops, event);
  const namespace = textOf(Field.objectRefNamespace, event);
  let scope = "";
  if (workspace !== "" && WORKSPACE_RESOURCES.includes(resource)) scope = ` in Workspace ${workspace}`;
  else if (devops !== "") scope = ` in Devops ${devops}`;
  else if (namespace !== "" && !NAMESPACE_RESOURCES.includes(resource)) scope = ` in Namespace ${namespace}`;
  return `${who} ${resource} '${textOf(Field.objectRefName, event)}'${scope}`;
}

function textOf(field: Field, event: EventView): string {
  return render({ text: "", source: { kind: "field", field }, steps: [] }, event);
}
