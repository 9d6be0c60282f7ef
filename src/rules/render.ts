import { type EventView, Kind, type OpenBody, type Tape } from "../plugin/index.js";
import { extractor } from "./extraction/extract.js";
import { textAsShown } from "./extraction/json.js";
import { latencyOf } from "./latency.js";
import { utcText, valueText } from "./text.js";
import type { FieldSource, Path, Step } from "./tree.js";
import { shownValues } from "./values.js";
import { findFlat, joinedNames } from "./walk.js";

/**
 * The value at a path as readable text, from what the view shows now (redacted, after `redact`). Missing values and null are "",
 * arrays are joined by `, `, objects are their JSON.
 */
export function render(path: Path, event: EventView): string {
  const { source, steps } = path;
  switch (source.kind) {
    case "field":
      return steps.length > 0 ? renderSteps(steps, event, event.open(source.field)) : renderField(source, event);
    case "latency": {
      const latency = latencyOf(event);
      return latency === undefined ? "" : valueText(latency);
    }
    case "annotation": {
      const added = event.annotation(source.name);
      if (added !== undefined) return typeof added === "object" ? added.join(", ") : String(added);
      return source.field === undefined ? "" : renderField({ kind: "field", field: source.field }, event);
    }
    case "nothing":
    case "strings":
      return "";
    case "values":
      return shownValues(source, event).join(", ");
    case "extraction":
      return extractor(source.extraction, textAsShown)(event)?.join(", ") ?? "";
  }
}

function renderField({ field, fold }: FieldSource, event: EventView): string {
  switch (event.kind(field)) {
    case Kind.absent:
    case Kind.null:
      return "";
    case Kind.array:
      return onlyString(event.text(field)) ?? renderSteps([], event, event.open(field));
    default: {
      const text = event.text(field) ?? "";
      if (fold === "lower") return text.toLowerCase();
      return fold === "utc" ? (utcText(text, 6) ?? text) : text;
    }
  }
}

/** The string in an array `["…"]` of one item, as sourceIPs usually is, without opening the array. */
function onlyString(array: string | undefined): string | undefined {
  return array === undefined ? undefined : /^\["([^"\\]*)"\]$/.exec(array)?.[1];
}

function renderSteps(steps: readonly Step[], event: EventView, body: OpenBody | undefined): string {
  if (!body) return "";
  const { tape, root } = body;
  return follow(tape, root, steps)
    .map((node) => renderNode(tape, node, event))
    .filter((text) => text !== "")
    .join(", ");
}

function renderNode(tape: Tape, node: number, event: EventView): string {
  if (tape.kind(node) === Kind.null) return "";
  if (tape.kind(node) !== Kind.array) return event.textAt(tape.start(node), tape.end(node));
  return itemsOf(tape, node)
    .map((item) => event.textAt(tape.start(item), tape.end(item)))
    .join(", ");
}

/** All nodes that the steps lead to. */
function follow(tape: Tape, node: number, steps: readonly Step[]): number[] {
  const [step, ...rest] = steps;
  switch (step?.type) {
    case undefined:
      return [node];
    case "members": {
      const found = findFlat(tape, node, joinedNames(step.names), 0, rest.length === 0);
      return found < 0 ? [] : follow(tape, found, rest);
    }
    case "member": {
      const found = tape.member(node, step.name);
      return found < 0 ? [] : follow(tape, found, rest);
    }
    case "items":
      return itemsOf(tape, node)
        .slice(step.from, step.to)
        .flatMap((item) => follow(tape, item, rest));
  }
}

function itemsOf(tape: Tape, node: number): number[] {
  const items: number[] = [];
  if (tape.kind(node) !== Kind.array) return items;
  for (let item = node + 1; item < tape.next(node); item = tape.next(item)) items.push(item);
  return items;
}
