import type { ShapeName } from "../../../plugins/sinks/elasticsearch/mappings.js";
import { createShape } from "../../../plugins/sinks/elasticsearch/shapes/index.js";
import type { Shape } from "../../../plugins/sinks/elasticsearch/shapes/shape.js";
import { targetOf } from "../../../plugins/sinks/elasticsearch/target.js";
import { ByteWriter, type EventView, type SinkHost } from "../../../src/plugin/index.js";
import { testHost } from "../support.js";

export const NOW = Date.UTC(2026, 10, 21, 12);

export function shape(name: ShapeName, host: Partial<SinkHost> = {}): Shape {
  const made = testHost({ cluster: "prod-1", node: "cp-0", now: () => NOW, ...host });
  return createShape(name, made, targetOf({ shape: name }, made.cluster));
}

/** The document's text, written behind something else, as in a request. */
export function documentText(shape: Shape, event: EventView, reason?: string): string {
  const out = new ByteWriter(8);
  out.text("before");
  if (reason === undefined) shape.write(event, out);
  else shape.writeSafe(event, reason, out);
  return Buffer.from(out.view().subarray("before".length)).toString();
}

// biome-ignore lint/suspicious/noExplicitAny: a document is looked into by hand.
export const documentOf = (shape: Shape, event: EventView, reason?: string): any =>
  JSON.parse(documentText(shape, event, reason));

/** A value that a document holds as text, if it is no string: told apart from a string by being wrapped. */
export const asText = (value: unknown): unknown =>
  value === undefined || value === null ? "" : typeof value === "string" ? value : { json: JSON.stringify(value) };

/** What was written for {@link asText}: in the form of what was expected. */
export const likeText = (written: unknown, expected: unknown): unknown =>
  typeof expected === "string" ? written : { json: JSON.stringify(JSON.parse(written as string)) };
